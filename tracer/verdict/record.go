package verdict

import (
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// record is the history of one site.
type record struct {
	key
	points series
	// objects are those of the last snapshot, in its order.
	objects []*object
	// pending and did are the point of the current snapshot while it is made.
	pending point
	did     deeds
	lives   lifetimes
	// died and exposure are, for each threshold of age, how many objects ended
	// after they had reached it and for how many seconds objects lived beyond
	// it, in the whole run.
	died     [ages]uint64
	exposure [ages]float64
	// released is the total at the last snapshot.
	released uint64
	// deaths is how many objects were seen to be gone in this snapshot.
	deaths uint64
	// empty counts the last snapshots in a row without an object.
	empty int
}

// ended notes the end of an object that was last seen at an age, and lived for
// about lived.
func (r *record) ended(age, lived, base time.Duration) {
	for k := range thresholds(age, base) {
		r.pending.died[k]++
		r.died[k]++
	}
	r.lives.add(lived, 1)
	r.deaths++
}

// hold counts an outstanding object. One from before tracing must not seem to
// be new when it reaches a threshold.
func (r *record) hold(age time.Duration, before bool, base time.Duration) {
	reached := thresholds(age, base)
	if before {
		r.pending.before += uint32(min(reached, 1))
		return
	}
	for k := range reached {
		r.pending.survivors[k]++
	}
}

// tally takes over the counts of a site. unseen tells whether objects that no
// snapshot showed can be told from the rest; they lived shorter than step.
func (r *record) tally(s *tracer.Site, step time.Duration, unseen bool) {
	p := &r.pending
	n := uint32(len(s.Outstanding))
	p.low, p.high, p.last = n, n, n
	released := s.Released - min(r.released, s.Released)
	p.released += uint32(released)
	r.released = max(r.released, s.Released)
	if unseen && released > r.deaths {
		r.lives.add(step/2, released-r.deaths)
	}
}

// finish appends the point of the current snapshot.
func (r *record) finish(step time.Duration, length int, folds []int) {
	p := &r.pending
	for k := range ages {
		r.exposure[k] += float64(p.survivors[k]+p.before) * step.Seconds()
	}
	r.points = r.points.add(*p, r.did, length, folds)
	r.empty++
	if p.last > 0 {
		r.empty = 0
	} else {
		r.objects = nil
	}
	r.pending, r.did, r.deaths = point{}, deeds{}, 0
}

// reopen has the current snapshot stand in the place of the last one.
func (r *record) reopen() {
	if len(r.points) == 0 {
		return
	}
	last := r.points[len(r.points)-1]
	r.points = r.points[:len(r.points)-1]
	r.pending.released = last.released
	for k := range ages {
		r.pending.died[k] += last.died[k]
	}
	for i := range r.did {
		r.did[i] += last.did[i]
	}
	r.empty = max(0, r.empty-1)
}

// nothing is the point of a time before a site was seen. It does not change.
var nothing point

// at returns a point by its place on the axis.
func (r *record) at(a *axis, i int) *point { return r.stretch(a, i).point }

// stretch is at with what was done meanwhile.
func (r *record) stretch(a *axis, i int) stretch {
	if i -= len(a.ends) - len(r.points); i >= 0 {
		return r.points[i]
	}
	return stretch{point: &nothing}
}

func (r *record) last() *point { return r.points[len(r.points)-1].point }

// column returns a number of each point of the axis.
func (r *record) column(a *axis, of func(p *point) float64) []float64 {
	out := make([]float64, len(a.ends))
	for i := range out {
		out[i] = of(r.at(a, i))
	}
	return out
}
