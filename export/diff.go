package export

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// DiffVersion is the version of the JSON form of a Diff. It changes when a
// field changes its meaning or disappears; new fields do not change it.
const DiffVersion = 1

// Diff compares two reports, site by site.
type Diff struct {
	Version int    `json:"version"`
	Old     Run    `json:"old"`
	New     Run    `json:"new"`
	Sites   []Pair `json:"sites"`
}

// Run is what a Diff keeps of a report as a whole.
type Run struct {
	Target    Process   `json:"target"`
	Started   time.Time `json:"started"`
	DurationS float64   `json:"duration_s"`
	MinAgeS   float64   `json:"min_age_s"`
	// Kinds is what alone was looked for; empty for all.
	Kinds []tracer.Kind `json:"kinds,omitempty"`
	// Lossy says that not everything was seen.
	Lossy bool `json:"lossy"`
	// SitesMissing is how many sites could not be read, and Damaged that what could be
	// may be wrong.
	SitesMissing int  `json:"sites_missing,omitempty"`
	Damaged      bool `json:"damaged,omitempty"`

	damage string // of the recording, in words
}

// Change is what became of a site from one run to the next.
type Change string

// The changes, in the order in which they are reported.
const (
	// New sites had nothing outstanding in the old run.
	New Change = "new"
	// Worse sites leak now, or faster, or more.
	Worse Change = "worse"
	// Unclear sites could not be judged in one of the runs, or may be missing of it.
	Unclear Change = "unclear"
	// Same sites have the same verdict, and what leaks does so as fast.
	Same Change = "same"
	// Better sites no longer leak, or slower, or less.
	Better Change = "better"
	// Gone sites have nothing outstanding in the new run.
	Gone Change = "gone"
	// Suppressed sites leak in the new run, which is accepted; they are not compared.
	Suppressed Change = "suppressed"
)

func changes() []Change { return []Change{New, Worse, Unclear, Same, Better, Gone, Suppressed} }

// Pair is a site in both runs. A run in which it had nothing outstanding is nil.
type Pair struct {
	Change Change `json:"change"`
	// Why is the evidence in a short phrase.
	Why         string      `json:"why"`
	Fingerprint string      `json:"fingerprint"`
	Kind        tracer.Kind `json:"kind"`
	Site        Place       `json:"site"`
	Old         *Level      `json:"old,omitempty"`
	New         *Level      `json:"new,omitempty"`

	shown Site // the site in the new run, or in the old one
}

// Level is how a site stood in one run.
type Level struct {
	State       verdict.State `json:"state"`
	Reason      string        `json:"reason"`
	Suppressed  string        `json:"suppressed,omitempty"`
	Outstanding int           `json:"outstanding"`
	GrowthPerS  float64       `json:"growth_per_s"`
}

// severity ranks a verdict: 2 for a leak, 1 for a suspect, 0 for none. It is 0
// for a nil level too.
func (l *Level) severity() int {
	switch {
	case l == nil:
		return 0
	case l.State == verdict.Leaking:
		return 2
	case l.State == verdict.Suspect:
		return 1
	}
	return 0
}

// orNothing is the level of a site that had nothing outstanding, for nil.
func (l *Level) orNothing() Level {
	if l == nil {
		return Level{}
	}
	return *l
}

// NewDiff compares two reports. Sites are matched by kind and fingerprint;
// those of one report that share both are taken together.
func NewDiff(before, after *Report) *Diff {
	d := &Diff{Version: DiffVersion, Old: before.run(), New: after.run(), Sites: []Pair{}}
	pairs := map[siteID]*Pair{}
	addLevels(pairs, before.Sites, func(p *Pair) **Level { return &p.Old })
	addLevels(pairs, after.Sites, func(p *Pair) **Level { return &p.New })
	for id, p := range pairs {
		p.Kind, p.Fingerprint, p.Site = id.kind, id.fingerprint, p.shown.Site
		p.Change, p.Why = d.judge(p.Kind, p.Old, p.New)
		d.Sites = append(d.Sites, *p)
	}
	slices.SortFunc(d.Sites, comparePairs)
	return d
}

// siteID is what a site is known by in every run.
type siteID struct {
	kind        tracer.Kind
	fingerprint string
}

func (r *Report) run() Run {
	return Run{r.Target, r.Started, r.DurationS, r.MinAgeS, r.Kinds, r.lossy(), r.SitesMissing, r.Damaged, r.Damage()}
}

func addLevels(pairs map[siteID]*Pair, sites []Site, side func(*Pair) **Level) {
	for _, s := range sites {
		id := siteID{s.Kind, s.Fingerprint}
		if pairs[id] == nil {
			pairs[id] = new(Pair)
		}
		p := pairs[id]
		l := &Level{s.State, s.Reason, s.Suppressed, s.Outstanding, s.GrowthPerS}
		if known := side(p); *known == nil {
			p.shown, *known = s, l
		} else {
			(*known).add(l)
		}
	}
}

// add takes in a level of the same site and run. The worse verdict counts.
func (l *Level) add(other *Level) {
	if other.severity() > l.severity() || other.severity() == l.severity() && other.Suppressed == "" {
		l.State, l.Reason, l.Suppressed = other.State, other.Reason, other.Suppressed
	}
	l.Outstanding += other.Outstanding
	l.GrowthPerS += other.GrowthPerS
}

func comparePairs(a, b Pair) int {
	return cmp.Or(
		cmp.Compare(slices.Index(changes(), a.Change), slices.Index(changes(), b.Change)),
		cmp.Compare(b.severity(), a.severity()),
		cmp.Compare(b.outstanding(), a.outstanding()),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Fingerprint, b.Fingerprint),
	)
}

// severity is the worse of both runs.
func (p Pair) severity() int { return max(p.Old.severity(), p.New.severity()) }

// outstanding counts the objects of the last run that had any.
func (p Pair) outstanding() int {
	if p.New == nil {
		return p.Old.Outstanding
	}
	return p.New.Outstanding
}

// count is how many sites that leak in either run changed so.
func (d *Diff) count(c Change) int {
	n := 0
	for _, p := range d.Sites {
		if p.Change == c && p.severity() == 2 {
			n++
		}
	}
	return n
}

// DiffFormats lists the formats Diff.Write knows.
func DiffFormats() []string { return []string{"text", "json", "html"} }

// Write renders the difference in one of DiffFormats.
func (d *Diff) Write(w io.Writer, format string) error {
	switch format {
	case "text":
		return d.WriteText(w, TextOptions{})
	case "json":
		return d.WriteJSON(w)
	case "html":
		return d.WriteHTML(w, HTMLOptions{})
	}
	return fmt.Errorf("unknown format %q", format)
}

// WriteJSON writes the difference as one indented JSON document, described
// field by field in diff.schema.json.
func (d *Diff) WriteJSON(w io.Writer) error { return writeJSON(w, d) }
