package verdict

import (
	"math"
	"slices"
	"time"
)

const (
	// windows is how many parts a climb is cut into; each must be higher than
	// the one before, which makes three rises in a row.
	windows = 4
	// minRise is the least growth that is told from a pool that starts a
	// handful of workers when they are first needed.
	minRise = 4
)

// climb is the part of a run since a site last was at its lowest level.
type climb struct {
	from       int // index of the lowest level
	start, end time.Duration
	rise       int // from the lowest of the first window to that of the last
}

// newClimb returns the climb to the end of the run. It is not ok when the
// floor of any window is not above the one before: growth has stopped then,
// came in bursts, or there were not snapshots enough to see it.
func newClimb(at []time.Duration, levels []level) (c climb, ok bool) {
	for i, l := range levels {
		if l.low <= levels[c.from].low {
			c.from = i
		}
	}
	c.start, c.end = at[c.from], at[len(at)-1]
	if c.start == c.end {
		return c, false
	}
	// Floors, not averages: churn lifts the level for a moment, only what
	// is never given back lifts the floor.
	floors := [windows]int{-1, -1, -1, -1}
	for i := c.from; i < len(at); i++ {
		w := c.window(at[i])
		if floors[w] < 0 || levels[i].low < floors[w] {
			floors[w] = levels[i].low
		}
	}
	for w := 1; w < windows; w++ {
		if floors[w] <= floors[w-1] {
			return c, false
		}
	}
	c.rise = floors[windows-1] - floors[0]
	return c, true
}

// window returns which window of the climb a time between its ends is in.
func (c climb) window(at time.Duration) int {
	return min(windows-1, int(windows*(at-c.start)/(c.end-c.start)))
}

// noise is how much a level that comes and goes at random rises by chance. The
// number of independent lives has its own square root as standard deviation;
// only what can end is alive at random, so a fixed pool below a leak adds none.
func (c climb) noise(levels []level) float64 {
	const deviations = 4 // many: the climb was picked for starting low
	ended := levels[len(levels)-1].released - levels[c.from].released
	return deviations * math.Sqrt(min(float64(levels[len(levels)-1].low), float64(ended)))
}

// fallback is the largest drop from a level to any later one.
func fallback(levels []level) int {
	peak, drop := levels[0].high, 0
	for _, l := range levels[1:] {
		drop = max(drop, peak-l.low)
		peak = max(peak, l.high)
	}
	return drop
}

// slope is the Theil–Sen estimate of the growth in objects per second: the
// median slope between any two points, which single bursts do not move.
func slope(at []time.Duration, levels []level) float64 {
	var slopes []float64
	for i := range levels {
		for j := range i {
			if dt := (at[i] - at[j]).Seconds(); dt > 0 {
				slopes = append(slopes, float64(levels[i].last-levels[j].last)/dt)
			}
		}
	}
	if len(slopes) == 0 {
		return 0
	}
	slices.Sort(slopes)
	mid := len(slopes) / 2
	if len(slopes)%2 == 0 {
		return (slopes[mid-1] + slopes[mid]) / 2
	}
	return slopes[mid]
}
