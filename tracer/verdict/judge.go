package verdict

import (
	"cmp"
	"fmt"
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
	// Usual is how long objects of the site usually live, as far as the run
	// has shown; 0 if it has not.
	Usual time.Duration
	// With is what the site grows with, the closest relation first.
	With []Correlation
	// Ended says that the processes that held the objects have ended. The
	// objects are as they were last seen.
	Ended bool
	// GrowthPerS is the trend of the outstanding count over the whole run, in
	// objects per second: the median of the slopes between any two snapshots.
	GrowthPerS float64
	// Past is how many objects have been outstanding for at least min-age.
	Past int
	// Oldest is how long the oldest object has been outstanding.
	Oldest time.Duration
}

// Sites judges every site of the last snapshot. The leaking ones come first,
// and among equals those that hold most.
func (h *History) Sites() []Site {
	judged := make([]Site, 0, len(h.sites))
	for _, s := range h.sites {
		judged = append(judged, h.judge(s))
	}
	slices.SortFunc(judged, compare)
	return judged
}

func compare(a, b Site) int {
	if (a.State == Leaking) != (b.State == Leaking) {
		if a.State == Leaking {
			return -1
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(len(b.Outstanding), len(a.Outstanding)),
		cmp.Compare(b.Oldest, a.Oldest),
		cmp.Compare(a.Kind, b.Kind),
		cmp.Compare(a.Fingerprint, b.Fingerprint),
	)
}

// released says what did not happen to an object that is outstanding too long.
var released = map[tracer.Kind]string{
	tracer.Zombie:         "reaped",
	tracer.UnjoinedThread: "joined",
	tracer.CloseWait:      "closed",
}

func (h *History) judge(s tracer.Site) Site {
	j := Site{Site: s, State: Steady}
	for _, o := range s.Outstanding {
		age := max(0, h.now.Sub(o.Since))
		j.Oldest = max(j.Oldest, age)
		if age >= h.minAge {
			j.Past++
		}
	}
	levels := h.levels[key{s.Kind, s.Fingerprint}]
	j.GrowthPerS = slope(h.at, levels)
	switch {
	case len(s.Outstanding) == 0:
		j.Reason = "nothing outstanding"
	case j.Past == 0:
		j.Reason = fmt.Sprintf("all younger than %s", short(h.minAge))
	case s.Kind == tracer.Thread:
		// A thread may live as long as its process: age accuses nobody.
		j.State = Steady
		var leaking bool
		if leaking, j.Reason = h.growing(levels, s.Outstanding); leaking {
			j.State = Leaking
		}
	default:
		j.State = Leaking
		j.Reason = fmt.Sprintf("%d of %d not %s for %s or longer",
			j.Past, len(s.Outstanding), cmp.Or(released[s.Kind], "released"), short(h.minAge))
	}
	return j
}

// growing tells a site that keeps growing from a pool, however it reached its
// size. It looks at the climb since the site last was at its lowest.
func (h *History) growing(levels []level, objects []tracer.Object) (bool, string) {
	if len(h.at) < windows {
		return false, "too few snapshots to tell"
	}
	c, ok := newClimb(h.at, levels)
	if !ok {
		return false, describeLevel(levels)
	}
	// Without a share of the run, whatever grows in the last moments of a long
	// run would be a leak.
	run := c.end - h.at[0]
	switch {
	case c.end-c.start < max(h.minAge, run/windows):
		return false, fmt.Sprintf("growing, but only for %s", short(c.end-c.start))
	case c.rise < minRise:
		return false, fmt.Sprintf("grew by only %d", c.rise)
	case c.rise <= fallback(levels):
		return false, fmt.Sprintf("fell back by %d before", fallback(levels))
	case float64(c.rise) <= c.noise(levels):
		return false, fmt.Sprintf("grew by %d, which chance explains", c.rise)
	case !h.liveOn(c, objects):
		return false, "grows, but its threads end"
	}
	last := levels[len(levels)-1].last
	return true, fmt.Sprintf("grew from %d to %d in %s and did not stop",
		levels[c.from].low, last, short(c.end-c.start))
}

// liveOn tells whether the growth is made of threads that are still alive. If
// not, more of them are busy at a time, but they do end. The last window is
// left out: of its threads nobody can tell.
func (h *History) liveOn(c climb, objects []tracer.Object) bool {
	survivors := 0
	for _, o := range objects {
		at := o.Created.Sub(h.started)
		if at >= c.start && at <= c.end && c.window(at) < windows-1 {
			survivors++
		}
	}
	return 2*survivors >= c.rise
}

// describeLevel says how a site that does not grow moved.
func describeLevel(levels []level) string {
	all, recent := foldAll(levels), foldAll(levels[len(levels)*(windows-1)/windows:])
	switch {
	case all.low == all.high:
		return fmt.Sprintf("stays at %d", all.high)
	case recent.low == recent.high:
		return fmt.Sprintf("settled at %d", recent.high)
	default:
		return fmt.Sprintf("moves between %d and %d", all.low, all.high)
	}
}

func foldAll(levels []level) level {
	all := levels[0]
	for _, l := range levels[1:] {
		all = fold(all, l)
	}
	return all
}

// short rounds a duration to what a reader cares for.
func short(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
