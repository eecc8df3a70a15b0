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
// stretch alone.
type point struct {
	low, high, last   uint32
	created, released uint32
	// before is the least number of objects older than tracing.
	before uint32
	// survivors is the least number of objects born since and older than each
	// threshold, died how many of these and of the ones before tracing ended.
	survivors, died [ages]uint32
	// did is what the processes that hold the objects did meanwhile.
	did [activities]uint32
}

// fold joins two stretches. It keeps the extremes, so that a folded sawtooth
// does not turn into a slope.
func fold(a, b point) point {
	out := point{
		low: min(a.low, b.low), high: max(a.high, b.high), last: b.last,
		created: a.created + b.created, released: a.released + b.released,
		before: min(a.before, b.before),
	}
	for k := range ages {
		out.survivors[k] = min(a.survivors[k], b.survivors[k])
		out.died[k] = a.died[k] + b.died[k]
	}
	for i := range activities {
		out.did[i] = a.did[i] + b.did[i]
	}
	return out
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
type series []point

// add appends the newest point to a series and folds as the axis did; length is
// how many points the axis had in between.
func (s series) add(p point, length int, folds []int) series {
	s = append(s, p)
	for _, at := range folds {
		i := at - (length - len(s))
		length--
		switch {
		case i >= 0:
			s[i+1] = fold(s[i], s[i+1])
			s = append(s[:i], s[i+1:]...)
		case i == -1:
			s[0] = fold(point{}, s[0])
		}
	}
	return s
}

// thresholds tells how many of the thresholds of age an age has reached; the
// first is at base.
func thresholds(age, base time.Duration) int {
	return min(ages, bits.Len64(uint64(max(0, age)/base)))
}
