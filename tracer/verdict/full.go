package verdict

import (
	"math"
	"time"
)

// TimeToFull is how long it takes until max is used up, at a growth per second.
// It is not ok where that is never, or not in the 292 years a Duration holds.
func TimeToFull(used, max uint64, perS float64) (d time.Duration, ok bool) {
	if used >= max {
		return 0, true
	}
	if !(perS > 0) { // nor not a number
		return 0, false
	}
	ns := float64(max-used) / perS * float64(time.Second)
	if !(ns < math.MaxInt64) {
		return 0, false
	}
	return time.Duration(ns), true
}
