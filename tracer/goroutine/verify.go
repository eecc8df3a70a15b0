package goroutine

import (
	"errors"
	"fmt"
)

// Scans is how many times Verify scans, unless it finds nothing before.
const Scans = 2

const (
	// mostVerified is how many goroutines a process may have to be verified.
	mostVerified = 1 << 18
	// fewestRounds is how often a scan looks again at least, and mostRounds how often it
	// does where goroutines go on that it thought not to.
	fewestRounds, mostRounds = 3, 8
	// mostCopies is how often the heap is copied until it is done between two rounds of
	// the garbage collector, and mostWaits how often it is waited before that nothing is
	// queued.
	mostCopies, mostWaits = 10, 50
)

var (
	errUnknown   = errors.New("where this release of Go has its heap is not known")
	errCrowd     = fmt.Errorf("it has more than %d goroutines", mostVerified)
	errCollected = errors.New("its garbage is collected all the time")
	errRestless  = errors.New("its goroutines do not rest for long enough")
)

// Verify finds, by number, the goroutines that wait for what nothing leads to that could
// wake them: no variable of the program, and no goroutine that may ever go on. It scans
// the memory of the process so many times, as it goes on; what it returns was found so
// in each scan, and has not run since the first began.
//
// That a word of memory looks like a pointer is enough to lead somewhere, so some are
// missed. One is found wrongly where all that leads to it is memory that is not Go's, or
// was, in each scan, in a register alone or on its way from memory that was not read yet
// to some that was. scans is how many there were.
//
// There is an error where the heap is not what it should be, or beyond the limits, and
// ErrStopped if it was told to end.
func (r *Runtime) Verify(l Limits) (found map[uint64]Goroutine, scans int, err error) {
	for {
		now, err := r.unreachable(l)
		if err != nil {
			return nil, scans, fmt.Errorf("look for what leads to goroutines: %w", err)
		}
		if scans++; scans == 1 {
			found = now
		} else {
			keep(found, now)
		}
		if len(found) == 0 || scans == Scans {
			return found, scans, nil
		}
		if err := l.rest(); err != nil {
			return nil, scans, err
		}
	}
}

// keep leaves only the goroutines that are in the same wait now.
func keep(found, now map[uint64]Goroutine) {
	for id, before := range found {
		if g, ok := now[id]; !ok || !g.Waits(&before) {
			delete(found, id)
		}
	}
}

// unreachable scans once. If the garbage collector frees objects while the heap is copied
// others may be in their place, and if finalizers run it is not known what leads where:
// then it begins again, for some time.
func (r *Runtime) unreachable(l Limits) (found map[uint64]Goroutine, err error) {
	m := &portioned{Memory: r.memory, limits: &l}
	defer func() { r.memory = m.Memory }()
	r.memory = m
	for copies, waits := 1, 1; ; {
		found, err = r.scanHeap(l)
		switch {
		case m.failed != nil:
			return nil, m.failed
		case errors.Is(err, errQueued) || errors.Is(err, errSweeping):
			waits++
		case errors.Is(err, errCollected):
			copies++
		default:
			return found, err
		}
		if copies > mostCopies || waits > mostWaits {
			return nil, err
		}
		if err := l.rest(); err != nil {
			return nil, err
		}
	}
}
