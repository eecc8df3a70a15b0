package verdict

import (
	"math"
	"slices"
	"time"
)

// value is a count at a time of the run.
type value struct {
	at time.Duration
	n  float64
}

// mannKendall is the statistic of Mann (1945) and Kendall (1975) in standard
// deviations: how much more pairs of values rise than fall, whatever by. Equal
// values lower the variance, as Kendall has it.
func mannKendall(values []value) float64 {
	s, total := 0, pairVariance(len(values))
	for i, v := range values {
		ties, first := 1, true
		for j, other := range values {
			switch {
			case j == i:
			case other.n == v.n:
				ties++
				first = first && j > i
			case (j < i) == (other.n < v.n):
				s++
			default:
				s--
			}
		}
		if first && ties > 1 {
			total -= pairVariance(ties)
		}
	}
	s /= 2 // each pair was met twice
	if s == 0 {
		return 0
	}
	// The continuity correction takes one from the sum.
	return math.Copysign((math.Abs(float64(s))-1)/math.Sqrt(total), float64(s))
}

// pairVariance is the variance of the sum of the signs of all pairs of n values
// in random order.
func pairVariance(n int) float64 { return float64(n*(n-1)*(2*n+5)) / 18 }

// sen is the estimate of the slope by Sen (1968), a second: the median slope
// between any two values, which single bursts do not move.
func sen(values []value) float64 {
	slopes := make([]float64, 0, len(values)*(len(values)-1)/2)
	for i, v := range values {
		for _, earlier := range values[:i] {
			if dt := (v.at - earlier.at).Seconds(); dt > 0 {
				slopes = append(slopes, (v.n-earlier.n)/dt)
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

// pearson is the correlation of two equally long lists and the slope of y over
// x; 0 where one of them does not vary.
func pearson(x, y []float64) (r, slope float64) {
	mx, my := mean(x), mean(y)
	var xx, yy, xy float64
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
		xy += (x[i] - mx) * (y[i] - my)
	}
	if xx == 0 || yy == 0 {
		return 0, 0
	}
	return xy / math.Sqrt(xx*yy), xy / xx
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
