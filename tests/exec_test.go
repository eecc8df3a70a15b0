package tests

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

// TestExecInProgress takes a snapshot while exec ends the threads of a process: most are gone,
// and the last is held where it ends. What is left is a part, and the snapshot says so.
func TestExecInProgress(t *testing.T) {
	s := run(t, tracer.Options{}, "exec")
	told := s.do("go 3")
	s.check(s.snapshot(), map[string]tally{"zombie leak_child": threeKept, "thread leak_thread": threeKept})

	release := holdAtExit(t, told.ThreadTIDs[0])
	s.send("go 1")
	s.awaitThreads(2)
	shot := s.snapshot()
	if len(shot.Processes) != 1 || !shot.Processes[0].Replacing {
		t.Errorf("processes in the middle of exec: %+v, want one that is being replaced", shot.Processes)
	}
	if left := s.outstanding(shot, tracer.Thread, "leak_thread"); len(left) != 0 {
		t.Errorf("%d threads that exec is ending are shown as if others had been given back", len(left))
	}
	release()
	told = decode[truth](s.program)
	shot = s.snapshot()
	if len(shot.Processes) != 1 || shot.Processes[0].Replacing {
		t.Errorf("processes after exec: %+v, want one that is not being replaced", shot.Processes)
	}
	s.checkIDs("threads", s.outstanding(shot, tracer.Thread, "leak_thread"), byID, told.ThreadTIDs)
}

// awaitThreads waits until a program has so many threads left.
func (s *session) awaitThreads(n int) {
	s.t.Helper()
	for began := time.Now(); ; runtime.Gosched() {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.cmd.Process.Pid))
		if err != nil {
			s.t.Fatalf("list threads: %v", err)
		}
		if len(threads) <= n {
			return
		}
		if time.Since(began) > patience {
			s.t.Fatalf("%d threads are left, want %d", len(threads), n)
		}
	}
}

// holdAtExit has a thread that ends wait before anybody sees it end, until release is called.
// It returns at once; the calling goroutine is the thread's tracer.
func holdAtExit(t *testing.T, tid int) (release func()) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	if err := unix.PtraceAttach(tid); err != nil {
		t.Fatalf("attach to thread %d: %v", tid, err)
	}
	stopped := func() {
		t.Helper()
		if _, err := unix.Wait4(tid, nil, unix.WALL, nil); err != nil {
			t.Fatalf("wait for thread %d: %v", tid, err)
		}
	}
	stopped()
	if err := errors.Join(unix.PtraceSetOptions(tid, unix.PTRACE_O_TRACEEXIT), unix.PtraceCont(tid, 0)); err != nil {
		t.Fatalf("have thread %d stop at its end: %v", tid, err)
	}
	return func() {
		t.Helper()
		stopped()
		if err := unix.PtraceDetach(tid); err != nil {
			t.Fatalf("let go of thread %d: %v", tid, err)
		}
	}
}
