package live

import (
	"fmt"
	"strings"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/viewport"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/leaktrace/leaktrace/export"
)

// page is all there is to know of one site.
type page struct {
	site  *export.Site // as it was last seen
	gone  bool         // nothing of it is outstanding any more
	title string
	text  viewport.Model
}

// samplesOnPage is how many objects are listed: a page can be scrolled.
const samplesOnPage = 10

// fill brings the page up to what is shown.
func (p *page) fill(m *model) {
	r := m.shown.Report
	p.gone = true
	for i := range r.Sites {
		if s := &r.Sites[i]; identify(s) == identify(p.site) {
			p.site, p.gone = s, false
			break
		}
	}
	var text strings.Builder
	// A strings.Builder takes all.
	_ = r.WriteSite(&text, *p.site, export.TextOptions{Width: m.width, Samples: samplesOnPage})
	title, rest, _ := strings.Cut(strings.TrimRight(text.String(), "\n"), "\n")
	p.title = title
	lines := p.course(m)
	for line := range strings.SplitSeq(rest, "\n") {
		style := plain
		if strings.HasPrefix(line, "    -> ") {
			style = bold
		}
		lines = append(lines, m.wrap(line, style)...)
	}
	p.text.SetWidth(m.width)
	p.text.SetHeight(m.bodyLines())
	p.text.SetContentLines(lines)
}

// maxLine bounds a line of a page, in bytes: a function's name can be of any
// length, and a terminal has to be drawn many times.
const maxLine = 4096

// wrap breaks a line that is wider than the terminal, and moves in what follows.
func (m *model) wrap(line string, style lipgloss.Style) (lines []string) {
	const indent = "         "
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine], "") + "…"
	}
	if ansi.StringWidth(line) <= m.width {
		return []string{style.Render(line)}
	}
	for part := range strings.SplitSeq(ansi.Hardwrap(line, max(1, m.width-len(indent)), true), "\n") {
		if len(lines) > 0 {
			part = indent + part
		}
		lines = append(lines, style.Render(part))
	}
	return lines
}

// course draws what was outstanding since tracing began.
func (p *page) course(m *model) []string {
	if p.gone {
		return []string{doubt.Render("    nothing of it is outstanding any more: this is how it was seen last"), ""}
	}
	const margin = 30
	graph := spark(p.site.History, m.shown.Report.DurationS, max(0, min(64, m.width-margin)))
	return []string{"    " + styleOf(p.site).Render(graph) + fmt.Sprintf(" %d outstanding now", p.site.Outstanding), ""}
}

// turn is press for a page.
func (m *model) turn(k tea.KeyPressMsg) {
	text := &m.page.text
	switch is := func(b key.Binding) bool { return key.Matches(k, b) }; {
	case is(m.keys.back):
		m.page = nil
	case is(m.keys.up):
		text.ScrollUp(1)
	case is(m.keys.down):
		text.ScrollDown(1)
	case is(m.keys.pageUp):
		text.PageUp()
	case is(m.keys.pageDown):
		text.PageDown()
	case is(m.keys.top):
		text.GotoTop()
	case is(m.keys.bottom):
		text.GotoBottom()
	}
}
