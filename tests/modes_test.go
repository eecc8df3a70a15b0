package tests

import (
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// begin is run or attach.
type begin func(*testing.T, tracer.Options, string, ...string) *session

// Once tracing has begun, the very first creation is seen with its stack. What
// could go wrong is a race, so both ways of beginning are tried many times,
// each with a process of its own.
func TestFirstEvent(t *testing.T) {
	for name, begin := range map[string]begin{"run": run, "attach": attach} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 20 {
				s := begin(t, tracer.Options{}, "leaky-o2", "zombie")
				s.do("go 1")
				shot := s.snapshot()
				s.check(shot, map[string]tally{
					"zombie leak_child": {Outstanding: 1, Created: 1},
					"zombie reap_child": {Created: 1, Released: 1},
				})
				s.complete(shot)
				s.finish()
			}
		})
	}
}

// A process lives on when its main thread has ended, and leaks.
func TestMainThreadEnds(t *testing.T) {
	t.Parallel()
	s := run(t, tracer.Options{}, "headless")
	s.do("end")
	told := s.do("go 3")
	s.snapshot()
	shot := s.snapshot()
	s.checkIDs("zombies", s.outstanding(shot, tracer.Zombie, "leak_child"), byID, told.ZombiePIDs)
	s.complete(shot)
	select {
	case <-s.tracer.Exited():
		t.Error("the target is said to have ended, and runs")
	default:
	}
}

// What is known of a process's finished threads does not go with its main thread, and
// whether they are joined is still seen.
func TestMainThreadEndsBeforeJoin(t *testing.T) {
	t.Parallel()
	s := run(t, tracer.Options{}, "headless")
	check := func(command string) {
		t.Helper()
		told := s.do(command)
		shot := s.snapshot()
		s.checkIDs("unjoined after "+command, ofKind(shot, tracer.UnjoinedThread), byID, told.UnjoinedTIDs)
		// Where the main thread has ended the process is known in another way from now on.
		shot = s.snapshot()
		s.checkIDs("unjoined some time after "+command, ofKind(shot, tracer.UnjoinedThread), byID, told.UnjoinedTIDs)
	}
	check("go 3")
	check("end")
	check("go 2")
	check("join")
	check("go 1")
}

// A command's own exit status and signal handling are not the tracer's
// business: it ends by EOF as untraced, with status 0, and Exited tells.
func TestExitIsSeen(t *testing.T) {
	for name, begin := range map[string]begin{"run": run, "attach": attach} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, tracer.Options{}, "leaky-o2", allKinds...)
			s.do("go 2")
			select {
			case <-s.tracer.Exited():
				t.Fatal("the target is said to have ended, and runs")
			default:
			}
			s.end()
			s.seesExit()
			shot := s.snapshot()
			for _, kind := range []tracer.Kind{tracer.Thread, tracer.UnjoinedThread, tracer.CloseWait} {
				if left := ofKind(shot, kind); len(left) != 0 {
					t.Errorf("%d objects of kind %s outlive their process\n%s", len(left), kind, render(shot))
				}
			}
			if got := s.tallies(shot)["thread leak_thread"]; got.Created != 2 || got.Released != 2 {
				t.Errorf("counts of a process that ended: %+v\n%s", got, render(shot))
			}
		})
	}
}

// A target that is killed while it is traced ends as one that exits.
func TestKilledTarget(t *testing.T) {
	t.Parallel()
	s := run(t, tracer.Options{}, "leaky-o2", "thread", "close-wait")
	s.do("go 3")
	s.kill()
	s.seesExit()
	s.check(s.snapshot(), addAccepts(map[string]tally{
		"thread leak_thread": threeGone, "thread end_thread": threeGone,
		"unjoined-thread leak_thread": threeGone, "unjoined-thread end_thread": threeGone,
		"close-wait leak_socket": threeGone, "close-wait close_socket": threeGone,
	}, "hang_up_on", 6))
}

// What existed before tracing began is shown, and marked, and has no stack;
// what comes after is exact.
func TestBeforeTracing(t *testing.T) {
	t.Parallel()
	s := newSession(t, tracer.Options{}, "leaky-o2", allKinds...)
	s.startUntraced()
	before := s.do("go 3")
	s.trace()
	shot := s.snapshot()
	old := tally{Outstanding: 3}
	// Unjoined threads that ended before tracing have left no trace in the kernel.
	want := map[string]tally{"zombie " + noStack: old, "thread " + noStack: old, "close-wait " + noStack: old}
	s.check(shot, want)
	s.checkIDs("zombies", ofKind(shot, tracer.Zombie), byID, before.ZombiePIDs)
	s.checkIDs("threads", ofKind(shot, tracer.Thread), byID, before.ThreadTIDs)
	s.checkIDs("sockets", ofKind(shot, tracer.CloseWait), byPort, before.Ports)
	s.checkOld(shot)

	told := s.do("go 3")
	shot = s.snapshot()
	for key, tally := range leakyTallies("") {
		want[key] = tally
	}
	s.check(shot, want)
	s.checkOld(shot)
	s.checkIDs("zombies, old and new", ofKind(shot, tracer.Zombie), byID, told.ZombiePIDs)
}

// checkOld checks that exactly the objects without stack are marked as old, and
// that they name their process.
func (s *session) checkOld(shot *tracer.Snapshot) {
	s.t.Helper()
	for _, site := range shot.Sites {
		for _, object := range site.Outstanding {
			old := site.Stack.Quality == tracer.NoStack
			if object.BeforeTracing != old || (old && len(site.Stack.Frames) != 0) {
				s.t.Errorf("%s: before tracing is %v, stack %s", renderObject(object), object.BeforeTracing, site.Stack.Quality)
			}
			if object.Owner.PID != s.pid || object.Owner.Comm != "leaky-o2" {
				s.t.Errorf("%s: the owner is %d", renderObject(object), s.pid)
			}
		}
	}
}
