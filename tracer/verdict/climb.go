package verdict

import (
	"math"
	"time"
)

const (
	// quarters is how many parts of a climb must each be higher than the one
	// before.
	quarters = 4
	// fewWindows and manyWindows bound into how many windows of equal length a
	// climb is cut. Of fewer than strongWindows no order is significant.
	fewWindows, strongWindows, manyWindows = 5, 8, 16
	// significant is beyond which Z a trend is hardly chance: 1 in 2,000.
	significant, noticeable = 3.3, 2
	// minGain is the least growth that is told from a pool that starts a few
	// workers when they are first needed, minNotable the least worth a word.
	minGain, minNotable = 8, 4
	// besides is by how much more there must be growth where others were
	// before: that as many of them ended as were born, but later, is luck with
	// a chance of exp(-growth).
	besides = 1.6
	// mortal is by how much more there must be growth where old objects were
	// seen to end, and it is not known when they usually do: a pool that
	// follows its load grows for minutes.
	mortal = 2
	// deviations is by how many standard deviations growth must exceed what
	// turnover explains: many, as stretches are picked for starting low.
	deviations = 4
	// patience is how many objects the slope must have promised during the
	// last plateau before it tells that growth has stopped.
	patience = 5
)

// climb is a stretch of the run, since a count last was at its lowest, and how
// the count moved in it.
type climb struct {
	from       int // the point of the lowest count, on the axis
	start, end time.Duration
	first      float64 // the count of the first window
	gain       float64 // from there to the last window
	slope      float64 // a second
	trend      Trend
	// even tells that no quarter is much flatter than the others.
	even bool
	// plateau is for how long the count did not rise at the end, pause the
	// longest such time before.
	plateau, pause time.Duration
}

// newClimb measures the climb of a count, given at each point of the axis, that
// starts at one of them. It is not ok when there are too few points or a
// quarter is not above the one before.
func newClimb(a *axis, from int, counts []float64) (c climb, ok bool) {
	last := len(a.ends) - 1
	c = climb{from: from, start: a.ends[from], end: a.ends[last]}
	if last-from+1 < fewWindows || c.start == c.end {
		return c, false
	}
	n := min(last-from+1, manyWindows)
	windows := floors(a, from, n, counts)
	if len(windows) < fewWindows {
		return c, false
	}
	c.first = windows[0].n
	c.gain = windows[len(windows)-1].n - c.first
	if !c.rises(windows) {
		return c, false
	}
	c.slope = sen(windows)
	c.trend = Trend{Z: mannKendall(windows), Over: c.end - c.start, Snapshots: len(windows)}
	c.rest(a, counts)
	return c, true
}

// floors cuts a stretch into windows of equal length and returns the lowest
// count of each: churn lifts a level for a moment, only what is never given
// back lifts its floor. Equal lengths make floors comparable: the longer a
// window, the lower its floor. Windows without a point are left out.
func floors(a *axis, from, n int, counts []float64) []value {
	start, length := a.ends[from], a.ends[len(a.ends)-1]-a.ends[from]
	out := make([]value, 0, n)
	current := -1
	for i := from; i < len(a.ends); i++ {
		w := min(n-1, int(float64(n)*float64(a.ends[i]-start)/float64(length)))
		v := counts[i]
		if w != current {
			out = append(out, value{start + time.Duration((float64(w)+0.5)/float64(n)*float64(length)), v})
			current = w
			continue
		}
		out[len(out)-1].n = min(out[len(out)-1].n, v)
	}
	return out
}

// rises tells whether the floor of each quarter is above the one before.
func (c *climb) rises(windows []value) bool {
	floor := [quarters]float64{}
	for q := range floor {
		floor[q] = math.Inf(1)
	}
	for i, w := range windows {
		q := i * quarters / len(windows)
		floor[q] = min(floor[q], w.n)
	}
	least := math.Inf(1)
	for q := 1; q < quarters; q++ {
		least = min(least, floor[q]-floor[q-1])
	}
	c.even = least >= c.gain/(quarters*(quarters-1))
	return least > 0
}

// rest finds the plateaus. A height is reached where the count does not fall
// below it again.
func (c *climb) rest(a *axis, counts []float64) {
	height, reached := counts[len(a.ends)-1], len(a.ends)-1
	for i := reached - 1; i >= c.from; i-- {
		v := counts[i]
		if v >= height {
			continue
		}
		if reached == len(a.ends)-1 {
			c.plateau = c.end - a.ends[i]
		} else {
			c.pause = max(c.pause, a.ends[reached]-a.ends[i])
		}
		height, reached = v, i
	}
}

// stopped tells whether the count does not rise any more: its last plateau,
// which is longer by lag than can be seen, is much longer than any before,
// though the slope would have raised it.
func (c *climb) stopped(lag time.Duration) bool {
	last := c.plateau + lag
	return last > 2*c.pause && c.slope*last.Seconds() >= patience
}

// lowest returns the last point at which a count was at its lowest, among those
// from a point of the axis on.
func lowest(counts []float64, from int) int {
	at := from
	for i := from; i < len(counts); i++ {
		if counts[i] <= counts[at] {
			at = i
		}
	}
	return at
}

// climbs measures the climbs of a count over the whole run and over its ever
// shorter ends, and calls use with each until it returns false.
func climbs(a *axis, counts []float64, use func(climb) bool) {
	from, previous, last := -1, -1, counts[len(counts)-1]
	for n := len(counts); n >= fewWindows; n -= level / 2 {
		if start := len(counts) - n; from < start {
			from = lowest(counts, start)
		}
		if from == previous || last-counts[from] < minNotable {
			continue
		}
		previous = from
		if c, ok := newClimb(a, from, counts); ok && !use(c) {
			return
		}
	}
}
