package tests

import (
	"strconv"
	"sync"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// Snapshots of a program that is in the middle of it, taken by several
// goroutines at once, may be a moment old but never wrong: what is never given
// back is at no time counted as released, and counts only grow.
func TestBusySnapshots(t *testing.T) {
	const leaks = 100
	s := run(t, tracer.Options{}, "churn", "1000", "500", "1000", strconv.Itoa(leaks))
	s.send("go")
	done := make(chan struct{})
	var takers sync.WaitGroup
	for range 2 {
		takers.Go(func() { s.watchCounts(done) })
	}
	told := decode[truth](s.program)
	close(done)
	takers.Wait()
	shot := s.snapshot()
	s.check(shot, churned(1000, 500, 1000, leaks))
	s.checkLeaky(shot, told)
}

// watchCounts takes snapshots until the program is done, and stops at the first
// that contradicts itself or the one before.
func (s *session) watchCounts(done <-chan struct{}) {
	var last map[string]tally
	for {
		select {
		case <-done:
			return
		default:
		}
		shot, err := s.tracer.Snapshot()
		if err != nil {
			s.t.Errorf("take snapshot: %v", err)
			return
		}
		now := s.tallies(shot)
		// An accepted socket is counted at its first use, so not for a moment.
		delete(now, "close-wait "+noStack)
		for key, n := range now {
			leak := key == "thread leak_thread" || key == "zombie leak_child" || key == "close-wait leak_socket"
			if before := last[key]; n.Created < before.Created || n.Released < before.Released ||
				n.Released+uint64(n.Outstanding) > n.Created || (leak && n.Released != 0) {
				s.t.Errorf("%s: after %+v came %+v", key, before, n)
				return
			}
		}
		last = now
	}
}
