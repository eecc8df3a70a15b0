package tracer

import (
	"cmp"
	"context"
	"os"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// Bounds of the verification of a process.
const (
	verifyObjects  = 1 << 23
	verifyBytes    = 1 << 30
	verifyPatience = 20 * time.Second
	// verifyPause is between two scans: what is in no memory now is then.
	verifyPause = 100 * time.Millisecond
	// mostHangs is how often the memory of a process may not come until it is not
	// verified any more: each time a thread is left waiting for it.
	mostHangs = 3
)

// VerifyGoroutines looks whether anything leads to what the goroutines wait for that the
// last look found, by scanning the memory of their processes, which go on: two microseconds
// of processor time for each object of their heaps, and a copy of what may hold pointers.
// Snapshots are taken meanwhile as ever. The next one has in Snapshot.Verified what was
// found, and in Notes the processes that are not understood, or too large. It returns soon
// after ctx is done; what was found before stays.
//
// Options.VerifyGoroutines must be set. One call at a time is made of it, and Close not
// before it has returned.
func (t *Tracer) VerifyGoroutines(ctx context.Context) {
	for _, next := range t.verifiable() {
		if ctx.Err() != nil {
			return
		}
		found, scans, err := t.verify(ctx, next)
		t.verified(next.goProcess, found, scans, err)
	}
}

// verifiable is a process whose goroutines are read.
type verifiable struct {
	pid int
	*goProcess
}

// verifiable are the processes whose goroutines are read: those first that were verified
// least often, and of them the small ones, for there may be no time for all.
func (t *Tracer) verifiable() []verifiable {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []verifiable
	for key, p := range t.goroutines.byProcess {
		if p.err == nil && len(p.sites) > 0 && p.verification.hangs < mostHangs {
			all = append(all, verifiable{key.pid, p})
		}
	}
	slices.SortFunc(all, func(a, b verifiable) int {
		return cmp.Or(
			cmp.Compare(a.verification.scans, b.verification.scans),
			cmp.Compare(len(a.known), len(b.known)), cmp.Compare(a.pid, b.pid),
		)
	})
	return all
}

// verify finds the goroutines of a process to which nothing leads, in so many scans.
func (t *Tracer) verify(ctx context.Context, p verifiable) (found map[uint64]goroutine.Goroutine, scans int, err error) {
	memory := &processMemory{memory: t.verifier.memory, pid: p.pid}
	memory.begin(verifyPatience)
	runtime, err := t.verifiedRuntime(p, memory)
	if err == nil {
		found, scans, err = runtime.Verify(goroutine.Limits{
			Objects: verifyObjects, Bytes: verifyBytes, Pause: verifyPause,
			Until: time.Now().Add(verifyPatience), Done: ctx.Done(),
		})
	}
	t.verifier.memory.forget(p.pid) // it may come next time
	switch {
	case memory.failed != nil:
		return nil, scans, memory.failed
	case t.verifier.gone(p.pid, p.startStack):
		// What was found does not count either: a part of it may be of another image.
		return nil, scans, os.ErrProcessDone
	}
	return found, scans, err
}

// verifiedRuntime finds the runtime of a process, apart from that of looks, which go on.
func (t *Tracer) verifiedRuntime(p verifiable, memory *processMemory) (*goroutine.Runtime, error) {
	program, err := t.verifiedProgram(p)
	if err != nil {
		return nil, err
	}
	return goroutine.Open(program, memory, t.verifier.room)
}

// verifiedProgram is what a process executes, if that is what was looked at.
func (t *Tracer) verifiedProgram(p verifiable) (goroutine.Program, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	owner := t.processes[p.pid]
	if owner == nil || owner.space == nil || owner.space.golang() == nil || owner.space.startStack != p.startStack {
		return goroutine.Program{}, os.ErrProcessDone
	}
	return owner.space.program()
}
