package tracer

import (
	"errors"
	"os"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// Verification is what Tracer.VerifyGoroutines has found in one process.
type Verification struct {
	Process Process
	// Scans is how often its memory was scanned, and Unreachable to how many goroutines
	// nothing led in the last of these.
	Scans, Unreachable int
	// Ago is how long before the snapshot, or the end of the process, these ended.
	Ago time.Duration
}

// verification is how far the goroutines of a process are verified.
type verification struct {
	scans, unreachable int
	at                 time.Time // when that was found
	failed             error     // why it was not found again
	hangs              int
}

// verified takes over what was found of a process. Whoever is told to stop, or whose
// process has ended or is not read any more, knows no more than before.
func (t *Tracer) verified(p *goProcess, found map[uint64]goroutine.Goroutine, scans int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := &p.verification
	switch {
	case p.over, errors.Is(err, goroutine.ErrStopped), errors.Is(err, os.ErrProcessDone):
		return
	case err != nil:
		if errors.Is(err, errHung) {
			v.hangs++
		}
		v.failed = err
		return
	}
	v.failed, v.at, v.unreachable = nil, time.Now(), 0
	v.scans += scans
	for _, site := range p.sites {
		v.unreachable += site.verify(func(id uint64) bool {
			g, ok := found[id]
			return ok && p.known[id] != nil && p.known[id].same(&g)
		})
	}
	t.goroutines.due = time.Time{} // a verdict is of a look
}

// verify notes which goroutines were found to be unreachable, and counts them. What is
// there now is in snapshots, and does not change. Goroutines that shared what is told of
// them still do, if the same was found.
func (s *goSite) verify(unreachable func(id uint64) bool) (n int) {
	type finding struct {
		before      *GoroutineInfo
		unreachable bool
	}
	found := make(map[finding]*GoroutineInfo)
	s.waiting = slices.Clone(s.waiting)
	for i := range s.waiting {
		o := &s.waiting[i]
		f := finding{o.Goroutine, unreachable(uint64(o.ID))}
		if found[f] == nil {
			found[f] = o.Goroutine.verified(f.unreachable)
		}
		if o.Goroutine = found[f]; f.unreachable {
			n++
		}
	}
	return n
}

// verified is what is told of a goroutine after another verification.
func (g *GoroutineInfo) verified(unreachable bool) *GoroutineInfo {
	after := *g
	switch {
	case g.Forever: // nothing can be worse
	case unreachable:
		after.Unreachable += goroutine.Scans
	default:
		after.Unreachable = 0
	}
	return &after
}
