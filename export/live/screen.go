package live

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/leaktrace/leaktrace/export"
)

// The screen: the headline, the body's title, the body, the state of the tracing, and the
// keys. On a low terminal the body is what stays.
const (
	linesAround = 5 // with an empty one above the body
	lowest      = 9 // the height that has room for all
)

// bodyLines is how many lines the table or a page has.
func (m *model) bodyLines() int {
	if m.height < lowest {
		return max(1, m.height-2)
	}
	return m.height - linesAround
}

// View draws the screen.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.lines(), "\n"))
	v.AltScreen = true
	return v
}

// lines are as many as the terminal has, and none is wider.
func (m *model) lines() []string {
	if m.width <= 0 || m.height <= 0 {
		return nil
	}
	if m.shown.Report == nil {
		return []string{m.fit("leaktrace: waiting for the first snapshot")}
	}
	lines := []string{m.headline()}
	if m.height >= lowest {
		lines = append(lines, m.title(), "")
	}
	body := m.body()
	lines = append(lines, body[:min(len(body), m.bodyLines())]...)
	for len(lines) < m.height-2 {
		lines = append(lines, "")
	}
	lines = append(lines, m.status())
	if m.height >= lowest {
		lines = append(lines, m.footer())
	}
	for i := range lines {
		lines[i] = m.fit(lines[i])
	}
	return lines[:min(len(lines), m.height)]
}

func (m *model) body() []string {
	switch {
	case m.helping:
		return strings.Split(m.help.FullHelpView(m.keys.everything()), "\n")
	case m.page != nil:
		return strings.Split(m.page.text.View(), "\n")
	}
	return m.table(m.bodyLines())
}

// headline is the verdict, in as many of its parts as fit.
func (m *model) headline() string {
	style := styleOfAll(m.shown.Report)
	var line string
	if m.paused {
		line = selected.Bold(true).Render(" PAUSED ") + " "
	}
	return line + style.Render(strings.Join(m.shown.Report.Headline(), " · "))
}

// title says what the body is of.
func (m *model) title() string {
	switch {
	case m.helping:
		return bold.Render("keys")
	case m.page != nil:
		return styleOf(m.page.site).Bold(true).Render(m.page.title)
	}
	return m.tabs()
}

// tabs are the kinds, with how many sites there are of each.
func (m *model) tabs() string {
	all := m.shown.Report.Sites
	counts := map[string]int{"": len(all)}
	for i := range all {
		counts[string(all[i].Kind)]++
	}
	var tabs []string
	for i, kind := range kinds() {
		name := string(kind)
		if kind == "" {
			name = "all"
		}
		style := faint
		if counts[string(kind)] > 0 {
			style = plain
		}
		if kind == m.list.kind {
			style = selected
		}
		tabs = append(tabs, style.Render(fmt.Sprintf(" %d %s %d ", i, name, counts[string(kind)])))
	}
	return strings.Join(tabs, " ")
}

// status says what the last key did, what the filter is, or how tracing goes.
func (m *model) status() string {
	switch {
	case m.note != "":
		return bold.Render(m.note)
	case m.typing:
		return "/" + export.Escape(m.list.filter) + selected.Render(" ") + faint.Render("  Enter keeps, Esc drops the filter")
	}
	losses, style := m.losses()
	return faint.Render(fmt.Sprintf("%d objects tracked · own CPU %.1f%% · ", m.newest.Tracked, 100*m.ownCPU)) +
		style.Render(losses) + faint.Render(m.position())
}

// losses says how much was not seen, and what most. The report lists all.
func (m *model) losses() (string, lipgloss.Style) {
	var all, most uint64
	var cause string
	for _, name := range slices.Sorted(maps.Keys(m.newest.Report.Lost)) {
		n := m.newest.Report.Lost[name]
		all += n
		if n > most {
			cause, most = name, n
		}
	}
	switch all {
	case 0:
		return "nothing lost", faint
	case most:
		return fmt.Sprintf("%d lost: %s", all, cause), doubt
	}
	return fmt.Sprintf("%d lost: %s and others", all, cause), doubt
}

// position says what part of all is in sight.
func (m *model) position() string {
	l := &m.list
	switch {
	case m.page != nil && m.page.text.TotalLineCount() > m.bodyLines():
		return fmt.Sprintf(" · %.0f%%", 100*m.page.text.ScrollPercent())
	case m.page != nil:
		return ""
	case l.filter != "":
		return fmt.Sprintf(" · %d of %d sites have %q", len(l.sites), len(m.shown.Report.Sites), l.filter)
	case len(l.sites) > m.bodyLines()-1:
		return fmt.Sprintf(" · site %d of %d", l.cursor+1, len(l.sites))
	}
	return ""
}

// footer is the keys.
func (m *model) footer() string {
	m.help.SetWidth(m.width)
	if m.page != nil {
		return m.help.ShortHelpView(m.keys.pageHelp())
	}
	return m.help.ShortHelpView(m.keys.listHelp())
}
