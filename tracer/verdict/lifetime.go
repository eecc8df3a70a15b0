package verdict

import (
	"math"
	"time"
)

const (
	// shortest is the resolution of lifetimes, octave into how many parts each
	// doubling is divided.
	shortest = time.Millisecond
	octave   = 4
	// most is how many parts there are.
	most = 40 * octave
	// enoughLives is how many objects must have ended before their lifetimes
	// tell those of others.
	enoughLives = 20
	// usualShare of the objects that end do so within the usual lifetime.
	usualShare = 0.99
)

// lifetimes counts objects by how long they lived.
type lifetimes struct {
	count   []uint64 // as far as the longest
	total   uint64
	longest time.Duration
}

func (l *lifetimes) add(age time.Duration, n uint64) {
	i := 0
	if age > shortest {
		i = int(octave * math.Log2(float64(age)/float64(shortest)))
	}
	i = min(i, most-1)
	if i >= len(l.count) {
		l.count = append(make([]uint64, 0, i+1), l.count...)[:i+1]
	}
	l.count[i] += n
	l.total += n
	l.longest = max(l.longest, age)
}

// usual returns an age that nearly all objects did not outlive, or 0 when too
// few have ended to tell.
func (l *lifetimes) usual() time.Duration {
	if l.total < enoughLives {
		return 0
	}
	var below uint64
	for i, n := range l.count {
		if below += n; float64(below) >= usualShare*float64(l.total) {
			return min(l.longest, time.Duration(float64(shortest)*math.Exp2(float64(i+1)/octave)))
		}
	}
	return l.longest
}
