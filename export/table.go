package export

import (
	"strings"
	"unicode/utf8"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// column is one column of a table, wide enough for all of its cells.
type column struct {
	title string
	right bool
	cells []string
}

func (c column) width() int {
	w := utf8.RuneCountInString(c.title)
	for _, cell := range c.cells {
		w = max(w, utf8.RuneCountInString(cell))
	}
	return w
}

func (c column) pad(cell string) string {
	space := strings.Repeat(" ", c.width()-utf8.RuneCountInString(cell))
	if c.right {
		return space + cell
	}
	return cell + space
}

const gap = "  "

func width(columns []column) int {
	w := len(gap) * (len(columns) - 1)
	for _, c := range columns {
		w += c.width()
	}
	return w
}

// numbers are the columns before the site. They are as wide as all sites need:
// the tables of a report then line up.
func numbers(sites, all []Site) []column {
	columns := []column{{title: "KIND"}, {"OUTSTANDING", true, nil}, {"GROWTH", true, nil}, {"OLDEST", true, nil}}
	for i, cell := range []func(Site) string{
		Site.kind,
		func(s Site) string { return humanCount(s.Outstanding) },
		func(s Site) string { return humanGrowth(s.GrowthPerS) },
		Site.oldest,
	} {
		c := &columns[i]
		c.cells = cells(all, cell)
		c.title, c.cells = c.pad(c.title), cells(sites, cell)
	}
	return columns
}

// oldest is the age of the oldest object, with a mark where it is a lower bound.
func (s Site) oldest() string {
	if len(s.Samples) > 0 && s.Samples[0].atLeast(s.Kind) {
		return ">" + humanAge(s.OldestS)
	}
	return humanAge(s.OldestS)
}

func cells(sites []Site, cell func(Site) string) (all []string) {
	for _, s := range sites {
		all = append(all, cell(s))
	}
	return all
}

// table writes one row per site of all. Sites that do not leak get the verdict
// behind the row, with its reason where all rows have the room for it. That the
// evidence does not suffice is said in any case.
func (t text) table(sites, all []Site) {
	columns := append(numbers(sites, all), workloads(sites, t.o.width())...)
	rest := t.o.width() - width(columns) - len(gap)
	if sites[0].Leaking {
		t.rows(append(columns, siteColumn(sites, rest)))
		return
	}
	verdicts := column{title: "VERDICT", cells: cells(sites, func(s Site) string { return string(s.State) + ": " + Escape(s.Reason) })}
	if verdicts.width()+len(gap)+leastSite > rest {
		verdicts.cells = cells(sites, func(s Site) string { return string(s.State) })
	}
	t.rows(append(columns, siteColumn(sites, rest-verdicts.width()-len(gap)), verdicts))
	t.scant(sites)
}

// leastSite is how many columns a site's name gets beside a verdict.
const leastSite = 30

// scant says why nothing can be said yet, once for each reason.
func (t text) scant(sites []Site) {
	said := make(map[string]bool)
	for _, s := range sites {
		if s.State == verdict.Unknown && !said[s.Reason] {
			said[s.Reason] = true
			t.sentence("", "unknown: %s", Escape(s.Reason))
		}
	}
}

// block writes one row per site, with the verdict before it.
func (t text) block(sites []Site) {
	verdict := column{title: "    ", cells: cells(sites, func(s Site) string {
		switch {
		case s.accused():
			return "LEAK"
		case s.State == verdict.Suspect:
			return "?"
		}
		return ""
	})}
	columns := append([]column{verdict}, numbers(sites, sites)...)
	columns = append(columns, workloads(sites, t.o.width())...)
	t.rows(append(columns, siteColumn(sites, t.o.width()-width(columns)-len(gap))))
}

func siteColumn(sites []Site, width int) column {
	return column{title: "SITE", cells: cells(sites, func(s Site) string { return s.Heading(width) })}
}

// endedMark is behind sites whose processes have ended, or called exec.
const endedMark = " (ended)"

// Heading names the site in so many columns, escaped, and says if that is the
// past.
func (s Site) Heading(width int) string {
	if s.Ended {
		return s.title(width-len(endedMark)) + endedMark
	}
	return s.title(width)
}

func (s Site) title(width int) string {
	if s.SiteFrame >= 0 {
		name := s.telling()
		return placeIn(s.Stack[s.SiteFrame], width-utf8.RuneCountInString(name)) + name
	}
	return head(s.nameless(), width)
}

// telling is what the objects of a site are called, where the site's place is no
// code of the application and says little: of a runtime's own threads.
func (s Site) telling() string {
	if len(s.Names) == 0 || symbol.Application(s.Stack[s.SiteFrame]) {
		return ""
	}
	return " " + quote(s.Names[0].Name)
}

// nameless names a site that has no stack.
func (s Site) nameless() string {
	what := "no stack captured"
	switch {
	case s.Group == tracer.NotSampled, s.Group == tracer.GoThreads:
		return "(" + s.Group + ")"
	case s.before():
		what = "before tracing"
	case s.Kind == tracer.CloseWait && s.Group != "":
		return "(" + Escape(s.Group) + ")"
	}
	switch {
	case len(s.Names) == 1:
		what += ": " + Escape(s.Names[0].Name)
	case s.Group != "":
		what += ": " + Escape(s.Group)
	}
	return "(" + what + ")"
}

func (t text) rows(columns []column) {
	line := make([]string, len(columns))
	for row := -1; row < len(columns[0].cells); row++ {
		for i, c := range columns {
			cell := c.title
			if row >= 0 {
				cell = c.cells[row]
			}
			line[i] = c.pad(cell)
		}
		t.line("%s", strings.TrimRight(strings.Join(line, gap), " "))
	}
}
