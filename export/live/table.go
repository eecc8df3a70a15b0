package live

import (
	"slices"
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

// Where the columns are before any is dropped.
const (
	kind        = 1
	outstanding = 2
	growth      = 3
	oldest      = 4
)

const (
	gap         = "  "
	leastSite   = 28 // columns that a site's name should have
	goodSite    = 32 // and beside its course
	leastCourse = 9  // of what was outstanding over time
	mostCourse  = 20
	cursorWidth = 2
)

// columns are those that fit beside the site's name, with their widths, and how
// many columns of the terminal the course of a site gets. What says least goes
// first.
func (m *model) columns() (shown []column, course int) {
	all := []column{
		{title: "VERDICT", order: byVerdict, cell: func(r export.Row) string { return r.Verdict }},
		{title: "KIND", order: orders, cell: func(r export.Row) string { return r.Kind }},
		{title: "OUTSTANDING", right: true, order: byOutstanding, cell: func(r export.Row) string { return r.Outstanding }},
		{title: "GROWTH", right: true, order: byGrowth, cell: func(r export.Row) string { return r.Growth }},
		{title: "OLDEST", right: true, order: byOldest, cell: func(r export.Row) string { return r.OldestAge }},
	}
	room := m.width - cursorWidth
	for i := range all {
		c := &all[i]
		c.width = ansi.StringWidth(c.title)
		for _, row := range m.list.rows {
			c.width = max(c.width, ansi.StringWidth(c.cell(row)))
		}
		room -= c.width + len(gap)
	}
	for _, drop := range []struct{ column, least int }{{oldest, leastSite}, {kind, leastSite}, {growth - 1, leastSite}, {outstanding - 1, leastSite / 2}} {
		if room >= drop.least {
			break
		}
		room += all[drop.column].width + len(gap)
		all = slices.Delete(all, drop.column, drop.column+1)
	}
	if left := room - goodSite - leastCourse - len(gap); left >= 0 {
		course = min(leastCourse+left/3, mostCourse) // names need more
	}
	return all, course
}

// titles are the first line. An arrow is beside the column that is sorted by, in
// the gap between columns.
func (m *model) titles(columns []column, course int) string {
	line, arrow := strings.Repeat(" ", cursorWidth), "▼"
	if m.list.reversed {
		arrow = "▲"
	}
	for _, c := range columns {
		sorted := c.order == m.list.order
		switch {
		case sorted && c.right:
			c.title, c.width = arrow+c.title, c.width+1
			line = strings.TrimSuffix(line, " ")
		case sorted:
			c.title += arrow
		}
		line += pad(c.pad(c.title), c.width+len(gap))
	}
	if course > 0 {
		line += pad("OVER TIME", course+len(gap))
	}
	return line + "SITE"
}

// table draws the list in so many lines, the first being the titles.
func (m *model) table(lines int) []string {
	columns, course := m.columns()
	out := []string{faint.Render(m.fit(m.titles(columns, course)))}
	if len(m.list.sites) == 0 {
		return append(out, "", "  "+m.emptiness())
	}
	m.list.scroll(lines - 1)
	last := min(len(m.list.sites), m.list.offset+lines-1)
	for i := m.list.offset; i < last; i++ {
		out = append(out, m.line(i, columns, course))
	}
	return out
}

// line draws the site of an index: its verdict and its course in colour, or all of
// it where the cursor is.
func (m *model) line(i int, columns []column, course int) string {
	s, row := m.list.sites[i], m.list.rows[i]
	here, mark := i == m.list.cursor, "  "
	style, cells := styleOf(s), plain
	if here {
		style, mark = style.Reverse(true).Faint(false), "> "
		cells = style
	}
	verdict, numbers, graph := mark+columns[0].pad(row.Verdict), gap, ""
	for _, c := range columns[1:] {
		numbers += c.pad(c.cell(row)) + gap
	}
	if course > 0 {
		graph = spark(s.History, m.shown.Report.DurationS, course) + gap
	}
	room := max(0, m.width-ansi.StringWidth(verdict+numbers+graph))
	name := pad(s.Heading(room), room)
	return m.fit(style.Render(verdict) + cells.Render(numbers) + style.Render(graph) + cells.Render(name))
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
