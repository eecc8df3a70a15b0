package export

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Limit is a bound on what a site creates.
type Limit struct {
	Name     string         `json:"name"`
	Resource limit.Resource `json:"resource"`
	Used     uint64         `json:"used"`
	Max      uint64         `json:"max"`
	// FullInS is when the limit is reached at the growth of all sites that leak
	// or are suspect and fill it, nil if never.
	FullInS *float64 `json:"full_in_s,omitempty"`
}

// newLimit relates a limit to how many units of it are used up per second.
func newLimit(l limit.Limit, perS float64) Limit {
	out := Limit{Name: l.Name, Resource: l.Resource, Used: l.Used, Max: l.Max}
	if left, ok := verdict.TimeToFull(l.Used, l.Max, perS); ok {
		out.FullInS = new(seconds(left))
	}
	return out
}

// OwnLimits relates the limits that the user knows of to all sites that fill
// them.
func OwnLimits(own limit.Own, sites []verdict.Site) map[tracer.Kind]Limit {
	total, grows := outstandingOf(sites), make(map[tracer.Kind]float64)
	for i := range sites {
		if s := &sites[i]; Fills(s) {
			grows[s.Kind] += s.GrowthPerS
		}
	}
	all := make(map[tracer.Kind]Limit)
	for kind := range own {
		l, _ := own.Limit(kind, total[kind])
		all[kind] = newLimit(l, grows[kind])
	}
	return all
}

// Share is how much of the limit is used: 1 is all of it.
func (l Limit) Share() float64 { return float64(l.Used) / max(1, float64(l.Max)) }

func (l Limit) wait() float64 {
	if l.FullInS == nil {
		return math.Inf(1)
	}
	return *l.FullInS
}

// String says how near the limit is: 312 of 1,024 descriptors (30%), full in
// 2 h 22 min at this rate.
func (l Limit) String() string {
	used, most, what := humanCount(l.Used), humanCount(l.Max), " "+Escape(string(l.Resource))
	switch l.Resource {
	case limit.AddressSpace:
		used, most, what = humanBytes(l.Used), humanBytes(l.Max), " of address space"
	case limit.Objects:
		what = ""
	}
	said := fmt.Sprintf("%s of %s%s (%.0f%%)", used, most, what, 100*l.Share())
	switch {
	case l.Used >= l.Max:
		return "full: " + said
	case l.FullInS != nil:
		return said + ", full in " + humanWait(*l.FullInS) + " at this rate"
	}
	return said
}

// Which limits are worth a line: those that are near in one way or another.
const (
	nearShare = 0.5
	nearWait  = 7 * 24 * time.Hour
)

// bound says what bounds the site, if it is near. What has ended fills nothing,
// and the limits that the user knows of are said at the top.
func (s Site) bound() string {
	i := slices.IndexFunc(s.Limits, func(l Limit) bool { return l.Resource != limit.Objects })
	if s.Ended || i < 0 {
		return ""
	}
	l := s.Limits[i]
	if l.Share() < nearShare && l.wait() > nearWait.Seconds() {
		return ""
	}
	return l.line()
}

func (l Limit) line() string { return Escape(l.Name) + ": " + l.String() }

// outstandingOf counts the objects of a kind, of all sites: of ended processes
// only once nothing else is left, as it was at the end, and none that an exec ended.
func outstandingOf(sites []verdict.Site) map[tracer.Kind]uint64 {
	alive := slices.ContainsFunc(sites, func(s verdict.Site) bool { return !s.Ended })
	total := make(map[tracer.Kind]uint64)
	for _, s := range sites {
		if !s.Ended || !alive && !s.Replaced {
			total[s.Kind] += uint64(len(s.Outstanding))
		}
	}
	return total
}

// alarming is from which share on a limit is said of sites not described too.
const alarming = 0.75

// near lists the limits that are nearly reached, by what is not described.
func (t text) near(described []Site) {
	said := make(map[string]bool)
	for _, s := range described {
		said[s.bound()] = true
	}
	var lines []string
	for _, s := range t.r.Sites {
		for _, l := range s.Limits {
			if line := l.line(); !s.Ended && l.Resource != limit.Objects && l.Share() >= alarming && !said[line] {
				said[line] = true
				lines = append(lines, line)
			}
		}
	}
	if len(lines) == 0 || t.o.Brief {
		return
	}
	t.line("\nnear a limit")
	for _, line := range lines[:min(len(lines), t.o.rows())] {
		t.sentence("  ", "%s", line)
	}
	if more := len(lines) - t.o.rows(); more > 0 {
		t.line("... and %s", plural(more, "more limit", "more limits"))
	}
}
