package export

import (
	"cmp"
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
	// FullInS is when the limit is reached at the site's growth, nil if never.
	FullInS *float64 `json:"full_in_s,omitempty"`
}

// limits lists what bounds a site, the limit that is reached first at the top.
func (run *Setting) limits(s verdict.Site, outstanding uint64) (all []Limit) {
	found := make(map[string]bool)
	add := func(l limit.Limit) {
		each := l.Each[s.Kind]
		if each == 0 || found[l.Name] {
			return
		}
		found[l.Name] = true
		out := Limit{Name: l.Name, Resource: l.Resource, Used: l.Used, Max: l.Max}
		if left, ok := verdict.TimeToFull(l.Used, l.Max, s.GrowthPerS*float64(each)); ok {
			out.FullInS = new(seconds(left))
		}
		all = append(all, out)
	}
	if own, ok := run.OwnLimits.Limit(s.Kind, outstanding); ok {
		add(own)
	}
	for _, o := range s.Outstanding {
		for _, p := range append(o.Responsible(), o.Owner) {
			for _, l := range run.Limits[p.PID] {
				add(l)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Limit) int {
		return cmp.Or(cmp.Compare(a.wait(), b.wait()), cmp.Compare(b.share(), a.share()))
	})
	return all
}

func (l Limit) wait() float64 {
	if l.FullInS == nil {
		return math.Inf(1)
	}
	return *l.FullInS
}

func (l Limit) share() float64 { return float64(l.Used) / max(1, float64(l.Max)) }

// String says how near the limit is: 312 of 1,024 descriptors (30%), full in
// 2 h 22 min at this rate.
func (l Limit) String() string {
	used, most, what := humanCount(l.Used), humanCount(l.Max), " "+string(l.Resource)
	switch l.Resource {
	case limit.AddressSpace:
		used, most, what = humanBytes(l.Used), humanBytes(l.Max), " of address space"
	case limit.Objects:
		what = ""
	}
	said := fmt.Sprintf("%s of %s%s (%.0f%%)", used, most, what, 100*l.share())
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

// bound says what bounds the site, if it is near.
func (s Site) bound() (lines []string) {
	for _, l := range s.Limits {
		own := l.Resource == limit.Objects
		if own || len(lines) == 0 && (l.share() >= nearShare || l.wait() <= nearWait.Seconds()) {
			lines = append(lines, fmt.Sprintf("%s: %s", Escape(l.Name), l))
		}
	}
	return lines
}

// outstandingOf counts the objects of a kind, of all sites.
func outstandingOf(sites []verdict.Site) map[tracer.Kind]uint64 {
	total := make(map[tracer.Kind]uint64)
	for _, s := range sites {
		total[s.Kind] += uint64(len(s.Outstanding))
	}
	return total
}
