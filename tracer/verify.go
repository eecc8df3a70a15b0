package tracer

import (
	"fmt"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// Bounds of a call of VerifyGoroutines: of each process, and of all together.
const (
	verifyObjects  = 1 << 23
	verifyBytes    = 1 << 30
	verifyPatience = 20 * time.Second
	// verifyPause is between two scans: what is in no memory now is then.
	verifyPause = 100 * time.Millisecond
)

// VerifyGoroutines looks whether anything leads to what the goroutines wait for that the
// last look found, by scanning the memory of their processes, which go on: a microsecond
// of processor time for each object of their heaps, and a copy of what may hold pointers.
// The next snapshot shows it, and names the processes that are not understood, or too
// large. Options.VerifyGoroutines must be set.
func (t *Tracer) VerifyGoroutines() {
	t.snapshots.Lock()
	defer t.snapshots.Unlock()
	limits := goroutine.Limits{
		Objects: verifyObjects, Bytes: verifyBytes, Pause: verifyPause,
		Until: time.Now().Add(verifyPatience),
	}
	for pid, p := range t.verifiable() {
		// Nobody else uses the runtime but snapshots, and events must not wait.
		found, err := p.runtime.Verify(limits)
		t.verified(pid, p, found, err)
	}
}

// verifiable are the processes whose goroutines are read, by pid.
func (t *Tracer) verifiable() map[int]*goProcess {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[int]*goProcess)
	for key, p := range t.goroutines.byProcess {
		if p.runtime != nil && len(p.sites) > 0 {
			all[key.pid] = p
		}
	}
	return all
}

// verified takes over what was found of a process.
func (t *Tracer) verified(pid int, p *goProcess, found map[uint64]goroutine.Goroutine, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.unverified = nil
	if err != nil {
		p.unverified = fmt.Errorf("goroutines of %s are not verified: %w", t.name(pid), err)
		return
	}
	p.verifications++
	for _, site := range p.sites {
		site.verify(func(id uint64) bool {
			g, ok := found[id]
			return ok && p.known[id] != nil && p.known[id].same(&g)
		})
	}
	t.goroutines.due = time.Time{} // a verdict is of a look
}

// verify notes which goroutines were found to be unreachable. What is there now is in
// snapshots, and does not change. Goroutines that shared what is told of them still do,
// if the same was found.
func (s *goSite) verify(unreachable func(id uint64) bool) {
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
		o.Goroutine = found[f]
	}
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

// endUnverified notes that the target has ended before its goroutines were verified, as
// was asked for.
func (t *Tracer) endUnverified(key processKey, p *goProcess) {
	if t.options.VerifyGoroutines && p.verifications == 0 && len(p.sites) > 0 && t.target != nil && key.pid == t.target.pid {
		t.goroutines.late = fmt.Sprintf("goroutines of %s (pid %d) were not verified: it ended before", t.target.comm, key.pid)
	}
}
