package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// State is a verdict.
type State string

// The states, worst first.
const (
	// Leaking sites grow without end, or hold what is dead and not collected.
	Leaking State = "leaking"
	// Suspect sites look so, but the evidence does not suffice yet.
	Suspect State = "suspect"
	// Unknown is for want of evidence.
	Unknown State = "unknown"
	// Steady sites hold what they hold, or as much of it.
	Steady State = "steady"
	// Draining sites give back more than they create.
	Draining State = "draining"
)

// Trend is the robust trend of what a site holds, over the stretch of the run
// that decided.
type Trend struct {
	// Z is the Mann-Kendall statistic in standard deviations: above 0 the
	// counts rise, and beyond about 3 hardly by chance.
	Z float64
	// Over and Snapshots say how long the stretch is and how many counts of it
	// were compared.
	Over      time.Duration
	Snapshots int
}

// Correlation relates a site's growth to something its processes do.
type Correlation struct {
	// Activity names it in the plural: "accepted connections".
	Activity string
	// PerActivity is by how much the site grows with each of them, R
	// is Pearson's correlation of the two over the windows of the run.
	PerActivity, R float64
}

// Unreachable is what scans of the memory of its processes have found of a site: so many
// goroutines of which each was unreachable in so many scans at least, the last ones.
type Unreachable struct {
	Goroutines, Scans int
}

// Site is a site of the last snapshot with its verdict.
type Site struct {
	tracer.Site
	// State is the verdict, Reason its evidence in a short phrase.
	State  State
	Reason string
	// Assumed is what the verdict takes for granted, empty if nothing.
	Assumed string
	// Trend is the evidence of growth, zero where age alone decides.
	Trend Trend
	// Unreachable is zero where nothing was found so, or nothing was verified.
	Unreachable Unreachable
	// Usual is how long objects of the site usually live, as far as the run
	// has shown; 0 if it has not.
	Usual time.Duration
	// With is what the site grows with, the closest relation first.
	With []Correlation
	// Ended says that the processes that held the objects have ended, or where
	// Replaced that they have called exec, which ended the objects. The objects are as
	// they were last seen.
	Ended, Replaced bool
	// Seen is when the objects were last seen: the time of the last snapshot,
	// or where Ended of the last one before the processes ended.
	Seen time.Time
	// GrowthPerS is the trend of the outstanding count, in objects per second:
	// the median of the slopes between any two of some 16 counts. It is that of
	// the time since the site began to grow where it is leaking or suspect, else
	// of the whole run.
	GrowthPerS float64
	// Past is how many objects have been outstanding for at least min-age.
	Past int
	// Oldest is how long the oldest object has been outstanding.
	Oldest time.Duration
	// Counts is how many objects were outstanding in the course of the run, at most
	// 64 times of it, oldest first.
	Counts []Count
}

// Sites judges every site of the last snapshot, and those that processes took
// with them that have ended or called exec. The worst come first, and among equals those with a stack, and
// then those that hold most.
func (h *History) Sites() []Site {
	judged := slices.Concat(h.judgeAll(), h.goroutines.judgeAll())
	slices.SortFunc(judged, compare)
	return judged
}

// judgeAll judges the sites of one part, once for each snapshot.
func (h *History) judgeAll() []Site {
	if h.judged == nil {
		h.judged = h.judgeNow()
	}
	return h.judged
}

func (h *History) judgeNow() []Site {
	judged := make([]Site, 0, len(h.sites)+len(h.kept))
	shown := make(map[key]bool, len(h.sites))
	for i := range h.sites {
		s := &h.sites[i]
		k, j := keyOf(s), h.judge(s)
		kept, ended := h.kept[k]
		if ended && h.supersedes(kept, s, j) || h.over() && j.State != Leaking {
			continue
		}
		shown[k] = true
		judged = append(judged, j)
	}
	for k, kept := range h.kept {
		if !shown[k] {
			judged = append(judged, kept)
		}
	}
	return judged
}

// supersedes tells whether the verdict that ended processes left on a site says
// more than that on what the site holds now.
func (h *History) supersedes(kept Site, s *tracer.Site, now Site) bool {
	return h.orphaned(s) || now.State != Leaking && (kept.State == Leaking || len(now.Outstanding) == 0)
}

// over tells that no traced process is left: what is new then is what the last
// one left behind, and usually collected in a moment.
func (h *History) over() bool { return len(h.processes.total) == 0 && len(h.kept) > 0 }

// orphaned tells that all objects of a site were held by processes that have
// ended. They wait for whoever inherited them, usually pid 1, to collect them.
func (h *History) orphaned(s *tracer.Site) bool {
	for _, o := range h.objectsOf(s) {
		if !h.orphan(o) {
			return false
		}
	}
	return true
}

// Pending tells whether something is outstanding that is still too young to
// accuse its site and that a living process may give back: after a command has
// ended it is worth to wait for this.
func (h *History) Pending() bool { return h.pending() || h.goroutines.pending() }

func (h *History) pending() bool {
	for i := range h.sites {
		s := &h.sites[i]
		objects := h.objectsOf(s)
		threshold := h.threshold(h.records[keyOf(s)], h.past(objects))
		for _, o := range objects {
			if !h.orphan(o) && min(h.age(o), h.idle(o)) < threshold {
				return true
			}
		}
	}
	return false
}

// states is the order of severity.
var states = []State{Leaking, Suspect, Unknown, Steady, Draining}

func worse(a, b State) bool { return CompareStates(a, b) < 0 }

// CompareStates puts the worst state first.
func CompareStates(a, b State) int {
	return cmp.Compare(slices.Index(states, a), slices.Index(states, b))
}

// compare puts what has a stack before what is older than tracing, however much there is
// of that: only the former says where to look.
func compare(a, b Site) int {
	return cmp.Or(
		CompareStates(a.State, b.State),
		cmp.Compare(min(1, len(b.Stack.Frames)), min(1, len(a.Stack.Frames))),
		cmp.Compare(len(b.Outstanding), len(a.Outstanding)),
		cmp.Compare(b.Oldest, a.Oldest),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Fingerprint, b.Fingerprint),
	)
}

func (h *History) judge(s *tracer.Site) Site {
	j := Site{Site: *s, State: Steady, Reason: "nothing outstanding", Seen: h.clock.wall}
	if len(s.Outstanding) == 0 {
		return j
	}
	r := h.records[keyOf(s)]
	for _, o := range r.objects {
		j.Oldest = max(j.Oldest, h.age(o))
	}
	j.Counts = h.counts(r)
	j.Past = h.past(r.objects)
	j.Usual = r.lives.usual()
	from := 0
	if s.Kind.Live() {
		// A thread may live as long as its process: age accuses nobody.
		from = h.judgeLive(&j, r)
	} else {
		h.judgeDead(&j, r)
	}
	if s.Kind == tracer.Goroutine {
		h.judgeWaits(&j, r)
	}
	if j.State == Leaking && !s.Kind.Live() {
		from = lowest(r.column(&h.axis, func(p *point) float64 { return float64(p.low) }), 0)
	}
	if j.State == Leaking && s.Group == tracer.GoThreads {
		j.State, j.Reason = Suspect, j.Reason+"; Go starts threads for goroutines that are blocked in C or in system calls, or lock theirs"
	}
	if j.State == Leaking && s.Group == tracer.NotSampled {
		// What is usual at one site tells nothing of another's objects.
		j.State, j.Reason = Suspect, j.Reason+"; they may be of several sites"
	}
	j.GrowthPerS = h.slope(r, from)
	if j.State == Leaking || j.State == Suspect {
		j.With = h.correlate(s, r, from)
	}
	return j
}

// objectsOf returns what is remembered of the objects of a site.
func (h *History) objectsOf(s *tracer.Site) []*object {
	if r := h.records[keyOf(s)]; r != nil {
		return r.objects
	}
	return nil
}

// past counts the objects that are outstanding for min-age or longer.
func (h *History) past(objects []*object) (n int) {
	for _, o := range objects {
		if h.age(o) >= h.minAge {
			n++
		}
	}
	return n
}

// judgeLive judges what lives, by growth. It returns the point of the axis
// from which on the site grows, or the first.
func (h *History) judgeLive(j *Site, r *record) (from int) {
	g := h.growth(r)
	peak, draining := h.drains(r, all)
	j.State = g.state
	switch {
	case g.state == Steady && draining:
		j.State, j.Reason = Draining, falls(peak, len(j.Outstanding))
	case g.state == Steady && h.scant():
		j.State, j.Reason = Unknown, scantReason
	case g.state == Steady && j.Past == 0:
		j.Reason = h.describeYoung()
	case g.state == Steady:
		j.Reason = h.describeLevel(r)
	default:
		j.Trend = g.trend
		j.Reason = h.describeGrowth(r, g)
		j.Assumed = assumedOf(j.Kind, g, r)
		return h.birth(r, g)
	}
	return 0
}

// judgeDead judges what ended and was not given back, by age.
func (h *History) judgeDead(j *Site, r *record) {
	threshold := h.threshold(r, j.Past)
	overdue := h.overdue(r.objects, threshold)
	peak, draining := h.drains(r, old)
	switch {
	case j.Past > 0 && draining:
		j.State, j.Reason = Draining, falls(peak, j.Past)
	case overdue > 0:
		j.State = Leaking
		j.Reason = describeOverdue(j, overdue, threshold)
		j.Assumed = assumedOfAge(j.Kind, threshold)
	case j.Past == 0 && h.clock.now < h.minAge:
		j.State, j.Reason = Unknown, h.describeYoung()
	case j.Past == 0:
		j.Reason = h.describeYoung()
	default:
		j.Reason = describeExcused(j, r, threshold, h.minAge)
	}
}

// scant tells that the run is too short for any verdict on growth.
func (h *History) scant() bool {
	return h.axis.snapshots() < fewWindows || h.clock.now < enough/2*h.minAge
}

// slope is the trend of the outstanding count since a point of the axis.
func (h *History) slope(r *record, from int) float64 {
	ends := h.axis.ends
	length := ends[len(ends)-1] - ends[from]
	samples := make([]value, 0, manyWindows+1)
	for i := from; i < len(ends); i++ {
		// The last count of each of as many parts as can be compared quickly.
		if i+1 == len(ends) || slot(ends[i+1]-ends[from], length, manyWindows) > slot(ends[i]-ends[from], length, manyWindows) {
			samples = append(samples, value{ends[i], float64(r.at(&h.axis, i).last)})
		}
	}
	return sen(samples)
}
