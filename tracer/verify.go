package tracer

import (
	"fmt"
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
// The next snapshot shows it, and names
// the processes that are not understood, or too large. Options.VerifyGoroutines must be
// set.
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
	for id, w := range p.known {
		g, ok := found[id]
		w.verify(ok && g.Waits(&w.now))
	}
	p.collect(pid)
}

// verify notes whether a goroutine was found to be unreachable.
func (w *goWait) verify(unreachable bool) {
	if w.info == nil || w.info.Forever {
		return
	}
	info := *w.info // the old one is in snapshots
	if info.Unreachable += goroutine.Scans; !unreachable {
		info.Unreachable = 0
	}
	w.info = &info
}

// endUnverified notes that the target has ended before its goroutines were verified, as
// was asked for.
func (t *Tracer) endUnverified(key processKey, p *goProcess) {
	if t.options.VerifyGoroutines && p.verifications == 0 && len(p.sites) > 0 && t.target != nil && key.pid == t.target.pid {
		t.goroutines.late = fmt.Sprintf("goroutines of %s (pid %d) were not verified: it ended before", t.target.comm, key.pid)
	}
}
