package export

import (
	"cmp"
	"encoding/json"
	"io"
	"math"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Setting is what a report tells besides what the history of the run shows.
type Setting struct {
	// Target is the traced process, or the root of the traced tree.
	Target tracer.Process
	// Started is when tracing began.
	Started  time.Time
	Overhead Overhead
	// Kinds is what alone is looked for; empty for all.
	Kinds []tracer.Kind
	// Parked is where threads are now, Limits what bounds each process, by pid,
	// and OwnLimits what the user knows of. They may be empty.
	Parked    []tracer.Parked
	Limits    map[int][]limit.Limit
	OwnLimits limit.Own
}

// NewReport makes the report of a run from its history. last is the last
// snapshot added to the history.
func NewReport(run Setting, h *verdict.History, last *tracer.Snapshot) *Report {
	sites := h.Sites()
	r := run.report(last, h.MinAge())
	r.Target = Process{run.Target.PID, run.Target.Comm}
	r.Unjudged = unjudged(h, sites)
	own := OwnLimits(run.OwnLimits, sites)
	for _, kind := range tracer.Kinds() {
		if l, ok := own[kind]; ok {
			r.OwnLimits = append(r.OwnLimits, l)
		}
	}
	b := newBuilder(run, NewBounds(run.Limits, SitesOf([]Part{{Sites: sites}})))
	for _, s := range sites {
		if len(s.Outstanding) > 0 {
			r.Sites = append(r.Sites, b.site(s, own))
		}
	}
	return r
}

// report is a report without sites.
func (run *Setting) report(last *tracer.Snapshot, minAge time.Duration) *Report {
	r := &Report{
		Version:      Version,
		Started:      run.Started.Round(time.Millisecond),
		DurationS:    seconds(max(0, last.Time.Sub(run.Started))),
		MinAgeS:      seconds(minAge),
		Sites:        []Site{},
		Lost:         map[string]uint64{},
		StackQuality: map[tracer.Quality]uint64{},
		Overhead:     run.Overhead,
		Kinds:        run.Kinds,
	}
	for _, c := range last.Lost {
		r.Lost[c.Name] += c.Count
	}
	r.Notes, r.Verified = last.Notes, verifiedOf(last)
	if n := last.Sampling; n.LeftOut > 0 {
		r.Sampling = &Sampling{n.OneIn, n.LeftOut}
	}
	for q, n := range last.StackQuality {
		r.StackQuality[q] = n
	}
	return r
}

// builder makes the sites of a report.
type builder struct {
	run    Setting
	bounds *Bounds
	// groups is where in run.Parked each thread is, by tid.
	groups map[int]int
}

func newBuilder(run Setting, bounds *Bounds) *builder {
	b := &builder{run: run, bounds: bounds, groups: make(map[int]int)}
	for i, group := range run.Parked {
		for _, tid := range group.Threads {
			b.groups[tid] = i
		}
	}
	return b
}

// site makes a site with what is known of it besides its history. own is the
// user's limits, with what fills them.
func (b *builder) site(s verdict.Site, own map[tracer.Kind]Limit) Site {
	site := newSite(s)
	if l, ok := own[s.Kind]; ok {
		site.Limits = append(site.Limits, l)
	}
	site.Limits = append(site.Limits, b.bounds.Of(&s)...)
	sortLimits(site.Limits)
	site.Parked = b.parked(s)
	return site
}

// unjudged counts what was too young when its processes ended, in the sites that
// the last of them left too.
func unjudged(h *verdict.History, sites []verdict.Site) int {
	n := h.Unjudged()
	for _, s := range sites {
		if s.Ended && !s.Kind.Live() && s.State != verdict.Leaking {
			n += len(s.Outstanding) - s.Past
		}
	}
	return n
}

func newSite(s verdict.Site) Site {
	site := Site{
		Fingerprint: s.Fingerprint,
		Kind:        s.Kind,
		State:       s.State,
		Leaking:     s.State == verdict.Leaking,
		Reason:      s.Reason,
		Assumed:     s.Assumed,
		Ended:       s.Ended,
		Replaced:    s.Replaced,
		UsualS:      seconds(s.Usual),
		GrowsWith:   growsWith(s.With),
		Outstanding: len(s.Outstanding),
		Past:        s.Past,
		Created:     s.Created,
		Released:    s.Released,
		GrowthPerS:  round(s.GrowthPerS, 1e6),
		OldestS:     seconds(s.Oldest),
		Role:        s.Role,
		Group:       s.Group,
		SeenAgain:   s.SeenAgain,
		SiteFrame:   -1,
		Names:       names(s.Outstanding),
		Stack:       append([]symbol.Frame{}, s.Stack.Frames...),
		Quality:     cmp.Or(s.Stack.Quality, tracer.NoStack),
		Samples:     []Sample{},
		objects:     s.Outstanding,
		taken:       s.Seen,
	}
	if i := s.Stack.Site; i >= 0 && i < len(site.Stack) {
		f := site.Stack[i]
		site.SiteFrame = i
		site.Site = newPlace(f)
	}
	if t := s.Trend; t.Snapshots > 0 {
		site.Trend = &Trend{round(t.Z, 1e2), seconds(t.Over), t.Snapshots}
	}
	if u := s.Unreachable; u.Goroutines > 0 {
		site.Unreachable = &Unreachable{u.Goroutines, u.Scans}
	}
	if s.Kind == tracer.CloseWait {
		site.relate(s.Outstanding)
	}
	sorted := oldestFirst(s.Outstanding)
	if n := len(sorted); n > 0 {
		site.MedianS = seconds(age(sorted[n/2], s.Seen))
	}
	for _, o := range sorted[:min(len(sorted), maxSamples)] {
		site.Samples = append(site.Samples, newSample(o, s.Seen))
	}
	for _, c := range s.Counts {
		site.History = append(site.History, Point{seconds(c.At), c.N})
	}
	return site
}

func growsWith(with []verdict.Correlation) (out []GrowsWith) {
	for _, c := range with {
		out = append(out, GrowsWith{c.Activity, round(c.PerActivity, 1e4), round(c.R, 1e4)})
	}
	return out
}

func age(o tracer.Object, at time.Time) time.Duration { return max(0, at.Sub(o.Since)) }

// seconds keeps milliseconds: snapshots are not more exact than that.
func seconds(d time.Duration) float64 { return round(d.Seconds(), 1e3) }

func round(x, unit float64) float64 { return math.Round(x*unit) / unit }

// WriteJSON writes the report as one indented JSON document.
func (r *Report) WriteJSON(w io.Writer) error { return writeJSON(w, r) }

func writeJSON(w io.Writer, document any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false) // C++ names are full of angle brackets
	return e.Encode(document)
}
