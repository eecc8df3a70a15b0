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
	// enoughLives is how many objects must have ended before their lifetimes
	// tell those of others.
	enoughLives = 20
	// usualShare of the objects that end do so within the usual lifetime.
	usualShare = 0.99
)

// lifetimes counts objects by how long they lived.
type lifetimes struct {
	count [40 * octave]uint64
	total uint64
}

func (l *lifetimes) add(age time.Duration, n uint64) {
	i := 0
	if age > shortest {
		i = int(octave * math.Log2(float64(age)/float64(shortest)))
	}
	l.count[min(i, len(l.count)-1)] += n
	l.total += n
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
			return time.Duration(float64(shortest) * math.Exp2(float64(i+1)/octave))
		}
	}
	return math.MaxInt64
}
