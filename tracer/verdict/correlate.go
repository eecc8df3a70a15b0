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
	}
	var t [activities]bool
	for _, o := range s.Outstanding {
		if o.Socket != nil && o.Socket.Accepted {
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
	skip := trivial(s)
	for i, name := range names {
		if skip[i] {
			continue
		}
		for n := finest; n >= strongWindows; n /= 2 {
			did, grew := h.perWindow(r, from, n, i)
			if !varies(did) || sum(grew) < minGain {
				continue
			}
			if r, slope := pearson(did, grew); r >= closely && slope >= 0.01 {
				out = append(out, Correlation{Activity: name, PerActivity: slope, R: r})
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Correlation) int { return cmp.Compare(b.R, a.R) })
	return out
}

// perWindow returns what was done and by how much a site grew in n windows of
// equal length after a point; none if a window is without a point.
func (h *History) perWindow(r *record, from, n, activity int) (did, grew []float64) {
	ends := h.axis.ends
	start, length := ends[from], ends[len(ends)-1]-ends[from]
	if length == 0 {
		return nil, nil
	}
	did, grew = make([]float64, n), make([]float64, n)
	filled := make([]bool, n)
	before := float64(r.at(&h.axis, from).last)
	for i := from + 1; i < len(ends); i++ {
		// A window owns its end.
		w := int(math.Ceil(float64(n)*float64(ends[i]-start)/float64(length))) - 1
		w = max(0, min(n-1, w))
		p := r.at(&h.axis, i)
		did[w] += float64(p.did[activity])
		grew[w] += float64(p.last) - before
		before, filled[w] = float64(p.last), true
	}
	if slices.Contains(filled, false) {
		return nil, nil
	}
	return did, grew
}

func varies(x []float64) bool {
	if len(x) == 0 {
		return false
	}
	m, variance := mean(x), 0.0
	for _, v := range x {
		variance += (v - m) * (v - m) / float64(len(x))
	}
	return m > 0 && math.Sqrt(variance) >= varied*m
}

func sum(x []float64) float64 { return mean(x) * float64(len(x)) }
