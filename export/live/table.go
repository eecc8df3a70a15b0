package live

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/leaktrace/leaktrace/export"
)

// column is a column of the table before the site's name.
type column struct {
	title string
	right bool
	order order // what its title stands for, where it is one to sort by
	cell  func(export.Row) string
	width int
}

const (
	gap         = "  "
	leastSite   = 28 // columns that a site's name should have
	sparkWidth  = 16
	cursorWidth = 2
)

// columns are those that fit beside the site's name, with their widths. What says
// least goes first.
func (m *model) columns() (shown []column, sparks bool) {
	all := []column{
		{title: "VERDICT", order: byVerdict, cell: func(r export.Row) string { return r.Verdict }},
		{title: "KIND", order: orders, cell: func(r export.Row) string { return r.Kind }},
		{title: "OUTSTANDING", right: true, order: byOutstanding, cell: func(r export.Row) string { return r.Outstanding }},
		{title: "GROWTH", right: true, order: byGrowth, cell: func(r export.Row) string { return r.Growth }},
		{title: "OLDEST", right: true, order: byOldest, cell: func(r export.Row) string { return r.OldestAge }},
	}
	room := m.width - cursorWidth - leastSite
	for i := range all {
		c := &all[i]
		c.width = ansi.StringWidth(c.title)
		if c.order == m.list.order {
			c.title += m.direction()
			c.width++
		}
		for _, row := range m.list.rows {
			c.width = max(c.width, ansi.StringWidth(c.cell(row)))
		}
		room -= c.width + len(gap)
	}
	sparks = room >= sparkWidth+len(gap)
	for _, drop := range []int{4, 1, 2, 1} {
		if room >= 0 {
			break
		}
		room += all[drop].width + len(gap)
		all = append(all[:drop], all[drop+1:]...)
	}
	return all, sparks
}

// direction marks the column that is sorted by.
func (m *model) direction() string {
	if m.list.reversed {
		return "▲"
	}
	return "▼"
}

// table draws the list in so many lines, the first being the titles.
func (m *model) table(lines int) []string {
	columns, sparks := m.columns()
	title := strings.Repeat(" ", cursorWidth)
	for _, c := range columns {
		title += c.pad(c.title) + gap
	}
	if sparks {
		title += pad("OVER TIME", sparkWidth) + gap
	}
	out := []string{faint.Underline(true).Render(m.fit(title + "SITE"))}
	if len(m.list.sites) == 0 {
		return append(out, "", "  "+m.emptiness())
	}
	m.list.scroll(lines - 1)
	last := min(len(m.list.sites), m.list.offset+lines-1)
	for i := m.list.offset; i < last; i++ {
		out = append(out, m.line(i, columns, sparks))
	}
	return out
}

// line draws the site of an index.
func (m *model) line(i int, columns []column, sparks bool) string {
	s, here := m.list.sites[i], i == m.list.cursor
	line := strings.Repeat(" ", cursorWidth)
	if here {
		line = "> "
	}
	for _, c := range columns {
		line += c.pad(c.cell(m.list.rows[i])) + gap
	}
	if sparks {
		line += spark(s.History, m.shown.Report.DurationS, sparkWidth) + gap
	}
	line += s.Heading(max(0, m.width-ansi.StringWidth(line)))
	style := styleOf(s)
	if here {
		return style.Reverse(true).Faint(false).Render(pad(m.fit(line), m.width))
	}
	return style.Render(m.fit(line))
}

// emptiness says why there are no sites.
func (m *model) emptiness() string {
	if len(m.shown.Report.Sites) > 0 {
		return "no site matches: Esc and 0 show all"
	}
	return "nothing outstanding so far"
}

func (c column) pad(cell string) string {
	if c.right {
		return strings.Repeat(" ", max(0, c.width-ansi.StringWidth(cell))) + cell
	}
	return pad(cell, c.width)
}

// pad fills up to a width.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}

// fit cuts what is wider than the terminal.
func (m *model) fit(text string) string { return ansi.Truncate(text, m.width, "…") }
