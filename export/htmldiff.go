package export

import (
	"io"
	"math"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
)

// pairData is a site of a difference as the page shows it.
type pairData struct {
	Kind     int    `json:"kind"`
	Change   string `json:"change"`
	Why      string `json:"why"`
	Name     string `json:"name"`
	Location string `json:"at,omitempty"`
	Counts   string `json:"counts"`
	Rates    string `json:"rates"`
	// Old and New are outstanding objects. Shade is by how much the site is worse, 1 at
	// most, or better, -1 at least; it is 0 where the change is not clear.
	Old   int     `json:"old"`
	New   int     `json:"new"`
	Shade float64 `json:"shade"`
	// Leaks says that it leaks, or may, in either run.
	Leaks bool   `json:"leaks,omitempty"`
	Band  string `json:"band,omitempty"`
	Stack int    `json:"stack"`
	Frame int    `json:"frame"`
}

// WriteHTML writes the difference as a page of one file that needs no network: what
// leaks more first, then a flame graph of both runs, red where the new one is worse and
// blue where it is better.
func (d *Diff) WriteHTML(w io.Writer, o HTMLOptions) error {
	p := page{
		Title:    d.headline(),
		Headline: d.headline(),
		Notes:    []string{"old: " + shown(d.Old.String()), "new: " + shown(d.New.String())},
		Leaking:  d.count(New)+d.count(Worse) > 0,
		Titles:   []string{"site", "kind", "change", "outstanding", "growth"},
	}
	for _, note := range d.notes() {
		p.Notes = append(p.Notes, "note: "+note)
	}
	t := newTables("diff", o)
	t.order(func(kind tracer.Kind) bool {
		return slices.ContainsFunc(d.Sites, func(p Pair) bool { return p.Kind == kind })
	})
	more := 0
	for _, pair := range d.Sites {
		data := t.pair(pair)
		t.Pairs = append(t.Pairs, data)
		switch {
		case !data.Leaks:
		case len(p.Rows) == maxStatic:
			more++
		default:
			p.Rows = append(p.Rows, pageRow{data.Name, data.Location, []string{t.Kinds[data.Kind], data.Change, data.Counts, data.Rates}})
		}
	}
	if more > 0 {
		p.More = "… and " + plural(more, "more site leaks or is suspect", "more sites leak or are suspect") + " in either run"
	}
	return p.write(w, t.payload)
}

func (t *tables) pair(p Pair) pairData {
	name, location := p.shown.parts()
	return pairData{
		Kind: t.kind(string(p.Kind)), Change: string(p.Change), Why: shown(Escape(p.Why)), Name: name, Location: location,
		Counts: p.counts(), Rates: p.rates(), Old: p.Old.orNothing().Outstanding, New: p.New.orNothing().Outstanding,
		Shade: p.shade(), Leaks: p.severity() > 0,
		Band: p.shown.band(), Stack: t.stack(p.shown.Stack), Frame: p.shown.SiteFrame,
	}
}

// leastShade is that of what is worse or better at all.
const leastShade = 0.3

// shade is how much worse a site is, by its rate or, where it does not grow, by number.
func (p Pair) shade() float64 {
	before, after := p.Old.orNothing(), p.New.orNothing()
	slow, fast := max(0, before.GrowthPerS), max(0, after.GrowthPerS)
	if slow == fast {
		slow, fast = float64(before.Outstanding), float64(after.Outstanding)
	}
	shade := 1.0
	if most := max(slow, fast); most > 0 {
		shade = max(leastShade, math.Abs(fast-slow)/most)
	}
	switch p.Change {
	case New:
		return 1
	case Gone:
		return -1
	case Worse:
		return round(shade, 1e2)
	case Better:
		return -round(shade, 1e2)
	}
	return 0
}
