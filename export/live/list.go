package live

import (
	"cmp"
	"slices"
	"strings"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// order is what the table is sorted by.
type order int

const (
	byVerdict order = iota
	byOutstanding
	byGrowth
	byOldest
	orders
)

func (o order) String() string { return [...]string{"verdict", "outstanding", "growth", "oldest"}[o] }

// identity tells a site from others, in this report and in later ones.
type identity struct {
	kind        tracer.Kind
	fingerprint string
}

func identify(s *export.Site) identity { return identity{s.Kind, s.Fingerprint} }

// list is the sites of a report that the user wants to see, in his order, and the
// one he is at. The zero value shows all, by verdict.
type list struct {
	kind     tracer.Kind // "" shows all
	filter   string      // of names, in lower case
	order    order
	reversed bool

	sites []*export.Site
	rows  []export.Row // of sites
	// at is the site that the cursor is on, and follows, once it was moved. Until
	// then it stays on the first line, so that what is worst is in sight.
	at     identity
	moved  bool
	cursor int
	offset int // of the first line that is shown
}

// fill picks and sorts the sites of a report.
func (l *list) fill(r *export.Report) {
	l.sites, l.rows = nil, nil
	for i := range r.Sites {
		s := &r.Sites[i]
		if (l.kind == "" || s.Kind == l.kind) && l.matches(s) {
			l.sites = append(l.sites, s)
		}
	}
	// Stable: what is alike stays in the report's order.
	slices.SortStableFunc(l.sites, func(a, b *export.Site) int {
		if l.reversed {
			a, b = b, a
		}
		return l.compare(a, b)
	})
	for _, s := range l.sites {
		l.rows = append(l.rows, s.Row())
	}
	at := -1
	if l.moved {
		at = slices.IndexFunc(l.sites, func(s *export.Site) bool { return identify(s) == l.at })
	}
	if at < 0 && l.moved {
		at = l.cursor
	}
	l.cursor = clamp(at, len(l.sites))
}

// clamp makes an index of a list out of a number.
func clamp(i, length int) int { return max(0, min(i, length-1)) }

func (l *list) compare(a, b *export.Site) int {
	switch l.order {
	case byOutstanding:
		return cmp.Compare(b.Outstanding, a.Outstanding)
	case byGrowth:
		return cmp.Compare(b.GrowthPerS, a.GrowthPerS)
	case byOldest:
		return cmp.Compare(b.OldestS, a.OldestS)
	}
	return cmp.Or(cmp.Compare(accepted(a), accepted(b)), verdict.CompareStates(a.State, b.State))
}

// accepted puts last what nobody has to do anything about.
func accepted(s *export.Site) int { return min(1, len(s.Suppressed)) }

// matches tells whether a name of the site has the text of the filter in it.
func (l *list) matches(s *export.Site) bool {
	if l.filter == "" {
		return true
	}
	names := []string{s.Group, s.Site.File}
	for _, f := range s.Stack {
		names = append(names, f.Function)
	}
	for _, n := range s.Names {
		names = append(names, n.Name)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		return strings.Contains(strings.ToLower(export.Escape(name)), l.filter)
	})
}

// move puts the cursor on another line.
func (l *list) move(to int) {
	if len(l.sites) == 0 {
		return
	}
	l.cursor = clamp(to, len(l.sites))
	l.at, l.moved = identify(l.sites[l.cursor]), true
}

// scroll makes the cursor's line one of so many that are shown.
func (l *list) scroll(lines int) {
	l.offset = min(l.offset, l.cursor, max(0, len(l.sites)-lines))
	l.offset = max(l.offset, l.cursor-lines+1, 0)
}
