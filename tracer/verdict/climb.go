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
	// rises tells that each quarter is higher than the one before, even that
	// none of them is much flatter than the others.
	rises, even bool
	// stopped tells that the count does not rise any more.
	stopped bool
}

// newClimb measures the climb of a count that starts at a point of the axis.
// It is not ok with fewer than fewWindows points.
func newClimb(a *axis, from int, count func(i int) float64) (c climb, ok bool) {
	last := len(a.ends) - 1
	c = climb{from: from, start: a.ends[from], end: a.ends[last]}
	if last-from+1 < fewWindows || c.start == c.end {
		return c, false
	}
	n := min(last-from+1, manyWindows)
	windows := floors(a, from, n, count)
	if len(windows) < fewWindows {
		return c, false
	}
	c.first = windows[0].n
	c.gain = windows[len(windows)-1].n - c.first
	c.slope = sen(windows)
	c.trend = Trend{Z: mannKendall(windows), Over: c.end - c.start, Snapshots: len(windows)}
	c.steps(windows)
	c.stopped = c.plateau(a, count)
	return c, true
}

// floors cuts a stretch into windows of equal length and returns the lowest
// count of each: churn lifts a level for a moment, only what is never given
// back lifts its floor. Equal lengths make floors comparable: the longer a
// window, the lower its floor. Windows without a point are left out.
func floors(a *axis, from, n int, count func(i int) float64) []value {
	start, length := a.ends[from], a.ends[len(a.ends)-1]-a.ends[from]
	out := make([]value, 0, n)
	current := -1
	for i := from; i < len(a.ends); i++ {
		w := min(n-1, int(float64(n)*float64(a.ends[i]-start)/float64(length)))
		v := count(i)
		if w != current {
			out = append(out, value{start + time.Duration((float64(w)+0.5)/float64(n)*float64(length)), v})
			current = w
			continue
		}
		out[len(out)-1].n = min(out[len(out)-1].n, v)
	}
	return out
}

// steps compares the quarters.
func (c *climb) steps(windows []value) {
	floor := [quarters]float64{}
	for q := range floor {
		floor[q] = math.Inf(1)
	}
	for i, w := range windows {
		q := i * quarters / len(windows)
		floor[q] = min(floor[q], w.n)
	}
	c.rises, c.even = true, true
	for q := 1; q < quarters; q++ {
		rise := floor[q] - floor[q-1]
		c.rises = c.rises && rise > 0
		c.even = c.even && rise >= c.gain/(quarters*(quarters-1))
	}
}

// plateau tells whether the count has stopped rising: its last plateau is much
// longer than any before, though the slope would have raised it.
func (c *climb) plateau(a *axis, count func(i int) float64) bool {
	// A height is reached where the count does not fall below it again.
	reached, longest := c.end, time.Duration(0)
	height := math.Inf(1)
	final := time.Duration(-1)
	for i := len(a.ends) - 1; i >= c.from; i-- {
		if v := count(i); v < height {
			gap := reached - a.ends[i]
			if math.IsInf(height, 1) {
				gap = 0
			} else if final < 0 {
				final = c.end - a.ends[i]
			} else {
				longest = max(longest, gap)
			}
			height, reached = v, a.ends[i]
		}
	}
	return final > 2*longest && c.slope*final.Seconds() >= patience
}

// lowest returns the last point at which a count was at its lowest, among those
// from a point of the axis on.
func lowest(a *axis, from int, count func(i int) float64) int {
	at, low := from, math.Inf(1)
	for i := from; i < len(a.ends); i++ {
		if v := count(i); v <= low {
			at, low = i, v
		}
	}
	return at
}

// climbs measures the climbs of a count over the whole run and over its ever
// shorter ends, and calls use with each until it returns false.
func climbs(a *axis, count func(i int) float64, use func(climb) bool) {
	previous := -1
	for n := len(a.ends); n >= fewWindows; n -= level / 2 {
		from := lowest(a, len(a.ends)-n, count)
		if from == previous {
			continue
		}
		previous = from
		if c, ok := newClimb(a, from, count); ok && !use(c) {
			return
		}
	}
}
