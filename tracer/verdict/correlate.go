package verdict

import (
	"cmp"
	"math"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
)

const (
	// closely is from which correlation on it is worth saying.
	closely = 0.9
	// varied is the least coefficient of variation an activity must have: two
	// things that are constant go together without a relation.
	varied = 0.2
	// finest is into how many windows a climb is cut first, to be halved while
	// windows are too small.
	finest = 32
)

// names are what the activities are called, in the order of activity.
var names = [activities]string{"accepted connections", "calls of connect", "forks", "threads started"}

// trivial tells the activities that make the objects of a site: that threads
// grow with the threads started says nothing.
func trivial(s *tracer.Site) [activities]bool {
	switch s.Kind {
	case tracer.Thread, tracer.UnjoinedThread:
		return [activities]bool{3: true}
	case tracer.Zombie:
		return [activities]bool{2: true}
	case tracer.Goroutine:
		return [activities]bool{}
	}
	var t [activities]bool
	for i := range s.Outstanding {
		if o := &s.Outstanding[i]; o.Socket != nil && o.Socket.Accepted {
			t[0] = true
		} else {
			t[1] = true
		}
	}
	return t
}

// correlate relates the growth of a site since a point to what its processes
// did meanwhile.
func (h *History) correlate(s *tracer.Site, r *record, from int) []Correlation {
	var out []Correlation
	rises, did := h.since(r, from)
	if rises < minGain {
		return nil // as of most sites: they hold what they hold
	}
	skip := trivial(s)
	for i, name := range names {
		if skip[i] || did[i] == 0 {
			continue
		}
		best := Correlation{Activity: name}
		for n := finest; n >= strongWindows; n /= 2 {
			did, grew, took := h.perWindow(r, from, n, i)
			if len(did) < strongWindows || !varies(did, took) || sum(grew) < minGain {
				continue
			}
			// A burst that a snapshot cuts in two blurs the windows; the sums
			// it leaves alone.
			if r, slope := pearson(did, grew); r > best.R && slope >= 0.01 {
				best.R, best.PerActivity = r, sum(grew)/sum(did)
			}
		}
		if best.R >= closely {
			out = append(out, best)
		}
	}
	slices.SortStableFunc(out, func(a, b Correlation) int { return cmp.Compare(b.R, a.R) })
	return out
}

// since adds up by how much a site has risen since a point, which is more than it
// can have grown in any windows, and what was done meanwhile.
func (h *History) since(r *record, from int) (rises uint64, did activity) {
	before := r.at(&h.axis, from).last
	for i := from + 1; i < len(h.axis.ends); i++ {
		p := r.stretch(&h.axis, i)
		rises += uint64(p.last - min(before, p.last))
		before = p.last
		for k := range did {
			did[k] += uint64(p.did[k])
		}
	}
	return rises, did
}

// perWindow returns what was done and by how much a site grew in n windows after
// a point, and how long each took: they are as long as the points allow.
func (h *History) perWindow(r *record, from, n, activity int) (did, grew, took []float64) {
	ends := h.axis.ends
	start, length := ends[from], ends[len(ends)-1]-ends[from]
	if length == 0 {
		return nil, nil, nil
	}
	cells := make([]float64, 3*n)
	did, grew, took = cells[:n], cells[n:2*n], cells[2*n:]
	before := float64(r.at(&h.axis, from).last)
	for i := from + 1; i < len(ends); i++ {
		// A window owns its end.
		w := int(math.Ceil(float64(n)*float64(ends[i]-start)/float64(length))) - 1
		w = max(0, min(n-1, w))
		p := r.stretch(&h.axis, i)
		did[w] += float64(p.did[activity])
		grew[w] += float64(p.last) - before
		took[w] += (ends[i] - ends[i-1]).Seconds()
		before = float64(p.last)
	}
	filled := 0
	for w := range n {
		if took[w] > 0 {
			did[filled], grew[filled], took[filled] = did[w], grew[w], took[w]
			filled++
		}
	}
	return did[:filled], grew[:filled], took[:filled]
}

// varies tells whether something was done now more and now less often.
func varies(did, took []float64) bool {
	m, variance := sum(did)/sum(took), 0.0
	for w := range did {
		deviation := did[w]/took[w] - m
		variance += deviation * deviation / float64(len(did))
	}
	return m > 0 && math.Sqrt(variance) >= varied*m
}

func sum(x []float64) float64 { return mean(x) * float64(len(x)) }
