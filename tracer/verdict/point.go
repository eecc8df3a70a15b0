package verdict

import (
	"math/bits"
	"time"
)

const (
	// ages is how many thresholds of age the survivors are counted by: min-age
	// and its doubles, up to 60 days for the default of 10 s.
	ages = 20
	// level is how many points of one span are kept before the oldest two of
	// them are folded.
	level = 16
)

// point is what a site held during one stretch of the run: one snapshot at
// first, ever more as it recedes. The counts of what happened are of the
// stretch alone. It does not change once it is part of a series.
type point struct {
	low, high, last uint32
	released        uint32
	// before is the least number of objects older than tracing and min-age.
	before uint32
	// survivors is the least number of objects born since and older than each
	// threshold, died how many of these and of the ones before tracing ended.
	survivors, died [ages]uint32
}

// stretch is a point in a series, and what the processes that hold the objects did
// meanwhile. Most sites of a node hold the same day after day, whatever is done
// there: their stretches share points.
type stretch struct {
	*point
	did deeds
}

// deeds are an activity of one stretch.
type deeds [activities]uint32

// shared returns a point of the same numbers, one of some that are kept anyway if
// possible.
func (p point) shared(kept ...*point) *point {
	for _, other := range kept {
		if *other == p {
			return other
		}
	}
	fresh := p
	return &fresh
}

// fold joins two stretches. It keeps the extremes, so that a folded sawtooth
// does not turn into a slope.
func fold(a, b stretch) stretch {
	out := point{
		low: min(a.low, b.low), high: max(a.high, b.high), last: b.last,
		released: a.released + b.released,
		before:   min(a.before, b.before),
	}
	for k := range ages {
		out.survivors[k] = min(a.survivors[k], b.survivors[k])
		out.died[k] = a.died[k] + b.died[k]
	}
	did := deeds{}
	for i := range did {
		did[i] = a.did[i] + b.did[i]
	}
	return stretch{out.shared(a.point, b.point), did}
}

// axis is the time that the points of all sites share: where each stretch ends
// and how many snapshots it covers. Spans grow with age, in powers of two, as
// in an exponential histogram (Datar, Gionis, Indyk and Motwani 2002).
type axis struct {
	ends  []time.Duration
	spans []int
}

// add appends a snapshot and returns the points to fold: each with its
// successor, in this order.
func (a *axis) add(now time.Duration) (folds []int) {
	a.ends = append(a.ends, now)
	a.spans = append(a.spans, 1)
	for span := 1; ; span *= 2 {
		first, n := a.run(span)
		if n <= level {
			return folds
		}
		a.ends = append(a.ends[:first], a.ends[first+1:]...)
		a.spans = append(a.spans[:first], a.spans[first+1:]...)
		a.spans[first] = 2 * span
		folds = append(folds, first)
	}
}

// run returns the first point of a span and how many there are.
func (a *axis) run(span int) (first, n int) {
	for i := len(a.spans) - 1; i >= 0 && a.spans[i] <= span; i-- {
		if a.spans[i] == span {
			first, n = i, n+1
		}
	}
	return first, n
}

// snapshots is how many snapshots there were so far.
func (a *axis) snapshots() (n int) {
	for _, span := range a.spans {
		n += span
	}
	return n
}

// length is how long the stretch of a point was.
func (a *axis) length(i int) time.Duration {
	if i == 0 {
		return a.ends[0]
	}
	return a.ends[i] - a.ends[i-1]
}

// series is the points of one site. It may be shorter than the axis: before
// its first point the site had nothing.
type series []stretch

// add appends the newest point to a series and folds as the axis did; length is
// how many points the axis had in between.
func (s series) add(p point, did deeds, length int, folds []int) series {
	before := &nothing
	if len(s) > 0 {
		before = s[len(s)-1].point
	}
	if len(s) == cap(s) {
		// It grows ever more slowly. To double it would be a waste.
		s = append(make(series, 0, len(s)+level), s...)
	}
	s = append(s, stretch{p.shared(before), did})
	for _, at := range folds {
		i := at - (length - len(s))
		length--
		switch {
		case i >= 0:
			s[i+1] = fold(s[i], s[i+1])
			s = append(s[:i], s[i+1:]...)
		case i == -1:
			s[0] = fold(stretch{point: &nothing}, s[0])
		}
	}
	return s
}

// thresholds tells how many of the thresholds of age an age has reached; the
// first is at base.
func thresholds(age, base time.Duration) int {
	return min(ages, bits.Len64(uint64(max(0, age)/base)))
}
