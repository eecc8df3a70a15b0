package tests

import (
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// Every way to join or to detach gives a finished thread back; being finished
// alone does not.
func TestJoins(t *testing.T) {
	const rounds = 7
	tests := []struct {
		way, function string
		unjoined      bool
	}{
		{way: "join", function: "by_join"},
		{way: "tryjoin", function: "by_tryjoin"},
		{way: "timedjoin", function: "by_timedjoin"},
		{way: "clockjoin", function: "by_clockjoin"},
		{way: "thrd_join", function: "by_thrd_join"},
		{way: "detached", function: "by_detached"},
		{way: "detach-after-exit", function: "by_detach_after_exit"},
		{way: "detach-before-exit", function: "by_detach_before_exit"},
		{way: "pthread_exit", function: "by_pthread_exit"},
		{way: "cancelled", function: "by_cancel_and_join"},
		{way: "user-stack-joined", function: "by_user_stack"},
		{way: "unjoined", function: "leak_unjoined", unjoined: true},
		{way: "unjoined-pthread_exit", function: "leak_pthread_exit", unjoined: true},
		{way: "unjoined-cancelled", function: "leak_cancelled", unjoined: true},
		{way: "user-stack", function: "leak_user_stack", unjoined: true},
	}
	for _, test := range tests {
		t.Run(test.way, func(t *testing.T) {
			t.Parallel()
			s := run(t, tracer.Options{}, "joins", test.way)
			told := s.do("go 7")
			shot := s.snapshot()
			unjoined := tally{Created: rounds, Released: rounds}
			if test.unjoined {
				unjoined = tally{Outstanding: rounds, Created: rounds}
			}
			s.check(shot, map[string]tally{
				"thread " + test.function:          {Created: rounds, Released: rounds},
				"unjoined-thread " + test.function: unjoined,
			})
			s.complete(shot)
			s.checkIDs("unjoined tids", s.outstanding(shot, tracer.UnjoinedThread, test.function), byID, told.TIDs)
		})
	}
}

// A late join takes a thread off the list, and what comes after is exact again.
func TestJoinedLate(t *testing.T) {
	t.Parallel()
	s := run(t, tracer.Options{}, "joins", "unjoined-then-joined")
	const unjoined, threads = "unjoined-thread leak_unjoined", "thread leak_unjoined"
	s.do("go 5")
	s.check(s.snapshot(), map[string]tally{
		threads: {Created: 5, Released: 5}, unjoined: {Outstanding: 5, Created: 5},
	})
	s.do("join")
	s.check(s.snapshot(), map[string]tally{
		threads: {Created: 5, Released: 5}, unjoined: {Created: 5, Released: 5},
	})
	told := s.do("go 2")
	shot := s.snapshot()
	s.check(shot, map[string]tally{
		threads: {Created: 7, Released: 7}, unjoined: {Outstanding: 2, Created: 7, Released: 5},
	})
	s.checkIDs("unjoined tids", s.outstanding(shot, tracer.UnjoinedThread, "leak_unjoined"), byID, told.TIDs)
}

// The threads of a Go program without a C library are the runtime's, which frees
// them: one that has ended is no object any more, and no loss.
func TestGoThreads(t *testing.T) {
	const rounds = 5
	s := run(t, tracer.Options{}, "leaky-go-static", "thread")
	told := s.do("go 5")
	var unjoined tally
	// The runtime may start one while a snapshot is read, which then does not tell the
	// end of another. In none of them anything is unjudged.
	s.await("threads to end", func(shot *tracer.Snapshot) bool {
		unjoined = tally{}
		for _, site := range shot.Sites {
			if site.Kind == tracer.UnjoinedThread {
				unjoined.Outstanding += len(site.Outstanding)
				unjoined.Created += site.Created
				unjoined.Released += site.Released
			}
		}
		return unjoined.Created >= rounds
	})
	if told.Finished != rounds || unjoined.Outstanding != 0 || unjoined.Released != unjoined.Created {
		t.Errorf("%d threads have ended, and are counted as %+v", told.Finished, unjoined)
	}
}
