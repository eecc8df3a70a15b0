package live

import (
	"slices"
	"unicode"

	"charm.land/bubbles/v2/help"
	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// model is what the view knows. It changes in Update only, and draws itself in
// View: it needs no terminal.
type model struct {
	options Options
	next    tea.Cmd // waits for the next State
	keys    keyMap
	help    help.Model

	width, height int
	// newest is what was given last; shown is older while paused. Report is nil
	// before the first.
	newest, shown State
	paused        bool
	ownCPU        float64 // share of one processor, of late
	list          list
	typing        bool // into the filter
	page          *page
	helping       bool
	note          string // what the last key has done
}

// written is where a report was written, or why not.
type written struct {
	path string
	err  error
}

func newModel(o Options, next tea.Cmd) *model {
	m := &model{options: o, next: next, keys: newKeys(), help: help.New()}
	m.help.Styles = help.Styles{
		Ellipsis: faint, ShortKey: bold, ShortDesc: faint, ShortSeparator: faint,
		FullKey: bold, FullDesc: plain, FullSeparator: faint,
	}
	m.help.ShortSeparator = "  "
	m.keys.suspend.SetEnabled(o.JobControl)
	return m
}

// Init waits for what is to be shown.
func (m *model) Init() tea.Cmd { return m.next }

// Update takes what has happened.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case State:
		m.take(msg)
		return m, m.next
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		m.refresh()
	case written:
		m.note = "report written to " + export.Escape(msg.path)
		if msg.err != nil {
			m.note = "no report written: " + export.Escape(msg.err.Error())
		}
	case tea.PasteMsg:
		if m.typing {
			m.setFilter(m.list.filter + msg.Content)
		}
	case tea.KeyPressMsg:
		m.note = ""
		return m, m.press(msg)
	}
	return m, nil
}

// take notes the state of the run.
func (m *model) take(s State) {
	cpu, over := s.Report.Overhead.CPUSeconds, s.Report.DurationS
	if last := m.newest.Report; last != nil && over > last.DurationS {
		cpu, over = cpu-last.Overhead.CPUSeconds, over-last.DurationS
	}
	m.ownCPU = cpu / max(over, 1)
	m.newest = s
	if !m.paused {
		m.shown = s
		m.refresh()
	}
}

// refresh makes all that is drawn of what is shown.
func (m *model) refresh() {
	if m.shown.Report == nil {
		return
	}
	m.list.fill(m.shown.Report)
	if m.page != nil {
		m.page.fill(m)
	}
}

// press does what a key is for.
func (m *model) press(k tea.KeyPressMsg) tea.Cmd {
	if m.typing && k.String() != "ctrl+c" && k.String() != "ctrl+z" {
		m.typeFilter(k)
		return nil
	}
	switch is := func(b key.Binding) bool { return key.Matches(k, b) }; {
	case is(m.keys.quit):
		return tea.Quit
	case is(m.keys.suspend):
		return tea.Suspend
	case is(m.keys.redraw):
		return tea.ClearScreen
	case m.helping:
		m.helping = false
	case is(m.keys.help):
		m.helping = true
	case m.shown.Report == nil:
	case is(m.keys.pause):
		m.paused = !m.paused
		m.shown = m.newest
		m.refresh()
	case is(m.keys.write):
		return m.write
	case m.page != nil:
		m.turn(k)
	default:
		m.pick(k)
	}
	return nil
}

// write writes what is shown: while paused, what stands still.
func (m *model) write() tea.Msg {
	path, err := m.options.Write(m.shown.Report)
	return written{path, err}
}

// pick is press for the table.
func (m *model) pick(k tea.KeyPressMsg) {
	l, page := &m.list, m.bodyLines()-2 // without the titles, and with a line of before
	switch is := func(b key.Binding) bool { return key.Matches(k, b) }; {
	case is(m.keys.up):
		l.move(l.cursor - 1)
	case is(m.keys.down):
		l.move(l.cursor + 1)
	case is(m.keys.pageUp):
		l.move(l.cursor - page)
	case is(m.keys.pageDown):
		l.move(l.cursor + page)
	case is(m.keys.top):
		l.move(0)
	case is(m.keys.bottom):
		l.move(len(l.sites) - 1)
	case is(m.keys.open):
		m.open()
	case is(m.keys.filter):
		m.typing = true
	default:
		m.choose(k)
		m.refresh()
	}
}

// open shows the page of the site that the cursor is on.
func (m *model) open() {
	if l := &m.list; len(l.sites) > 0 {
		l.move(l.cursor)
		m.page = &page{site: l.sites[l.cursor], text: viewport.New()}
		m.page.fill(m)
	}
}

// choose takes the keys that say what the table lists, and in which order.
func (m *model) choose(k tea.KeyPressMsg) {
	l := &m.list
	switch is := func(b key.Binding) bool { return key.Matches(k, b) }; {
	case is(m.keys.back):
		l.filter = ""
	case is(m.keys.sort):
		l.order, l.reversed = (l.order+1)%orders, false
	case is(m.keys.reverse):
		l.reversed = !l.reversed
	case is(m.keys.nextKind):
		l.kind = neighbour(l.kind, 1)
	case is(m.keys.lastKind):
		l.kind = neighbour(l.kind, -1)
	case is(m.keys.kind):
		if n := int(k.String()[0] - '0'); n < len(kinds()) {
			l.kind = kinds()[n]
		}
	}
}

// kinds are what the table can be limited to: all, then one of them.
func kinds() []tracer.Kind { return append([]tracer.Kind{""}, tracer.Kinds()...) }

// neighbour is the kind so many further on.
func neighbour(k tracer.Kind, by int) tracer.Kind {
	all := kinds()
	return all[(slices.Index(all, k)+by+len(all))%len(all)]
}

// typeFilter takes a key while a filter is typed.
func (m *model) typeFilter(k tea.KeyPressMsg) {
	filter := []rune(m.list.filter)
	switch k.String() {
	case "enter":
		m.typing = false
	case "esc", "alt+esc":
		m.typing, filter = false, nil
	case "ctrl+u":
		filter = nil
	case "backspace":
		m.typing = len(filter) > 0
		filter = filter[:max(0, len(filter)-1)]
	}
	m.setFilter(string(filter) + k.Text)
}

// maxFilter bounds a filter, in runes: a paste can be of any size.
const maxFilter = 100

// setFilter shows only what has that text in its name.
func (m *model) setFilter(text string) {
	var filter []rune
	for _, r := range text {
		if unicode.IsPrint(r) && len(filter) < maxFilter {
			filter = append(filter, unicode.ToLower(r))
		}
	}
	m.list.filter = string(filter)
	m.refresh()
}
