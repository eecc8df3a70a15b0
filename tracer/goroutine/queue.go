package goroutine

import (
	"errors"
	"fmt"
	"strings"
)

// maxStarts is how many functions are looked up at which goroutines begin.
const maxStarts = 1 << 14

// errQueued is returned where finalizers or cleanups are to run: what those know that are in
// the queue is in memory of the runtime's own that no variable of the program leads to.
var errQueued = errors.New("its finalizers or cleanups are running, and what those that follow lead to cannot be seen")

// errSweeping is returned where more may be queued at any time.
var errSweeping = fmt.Errorf("%w", errCollected)

// swept is why the goroutine waits that queues finalizers and cleanups, once it has done so
// for a round of the garbage collector.
const swept = "GC sweep wait"

// runners are the functions at which those begin that run them, and why they wait while
// there are none. Until Go 1.24 the first does so for cleanups too.
var runners = map[string]string{
	"runtime.runfinq":       "finalizer wait",
	"runtime.runFinalizers": "finalizer wait",
	"runtime.runCleanups":   "cleanup wait",
}

// checkQueues finds the goroutines that run finalizers and cleanups. There is an error
// unless nothing is queued for them, nor will be before the next round of the garbage
// collector.
func (s *scan) checkQueues() error {
	names, done := make(map[uint64]string), false
	for i := range s.goroutines {
		g := &s.goroutines[i]
		name, known := names[g.Start]
		if !known {
			if len(names) == maxStarts {
				return errCrowd
			}
			if err := s.limits.over(); err != nil {
				return err
			}
			name = s.runtime.nameOf(g.Start)
			names[g.Start] = name
		}
		// That it has a name shows that the others have theirs.
		done = done || s.runtime.waits(g, swept) && strings.HasPrefix(name, "runtime.")
		reason, runs := runners[name]
		if runs && !s.runtime.waits(g, reason) {
			return errQueued
		}
		if runs {
			s.runners = append(s.runners, *g)
		}
	}
	if !done {
		return errSweeping
	}
	return nil
}

// checkQueuesAgain tells whether all was as checkQueues has found it until now.
func (s *scan) checkQueuesAgain() error {
	l := s.runtime.layout
	b := make([]byte, l.size())
	for i := range s.runners {
		before := &s.runners[i]
		if !read(s.memory, b, before.address) {
			return errMissing
		}
		if now, ok := decode(b, before.address, l); !ok || !now.Waits(before) {
			return errQueued
		}
	}
	if s.runtime.collected() != s.collected {
		return errCollected
	}
	return nil
}

// waits tells whether a goroutine waits for a reason.
func (r *Runtime) waits(g *Goroutine, reason string) bool {
	return g.Status == Waiting && r.Reason(g.Reason) == reason
}

// nameOf is the name of the function that begins at an address, or "".
func (r *Runtime) nameOf(start uint64) string {
	calls, ok := r.program.Table.Lookup(start - r.program.Bias)
	if !ok {
		return ""
	}
	return calls[len(calls)-1].Function
}
