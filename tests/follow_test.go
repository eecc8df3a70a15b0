package tests

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// underShell makes a shell the target and leaky its child, which says `ready`
// and takes the commands.
func underShell(t *testing.T, options tracer.Options) *session {
	t.Helper()
	return newSession(t, options, "/bin/sh", "-c", filepath.Join(programs, "leaky-o2")+" zombie thread; exit")
}

// leakyTally keeps what a snapshot says of leaky: the shell has no symbols, and
// its child is not what is tested.
func (s *session) leakyTally(shot *tracer.Snapshot) map[string]tally {
	out := s.tallies(shot)
	for key := range out {
		if strings.Contains(key, "dash") {
			delete(out, key)
		}
	}
	return out
}

// leakyUnderShell is what leaky does in three rounds.
var leakyUnderShell = map[string]tally{
	"zombie leak_child": threeKept, "zombie reap_child": threeGone,
	"thread leak_thread": threeKept, "thread end_thread": threeGone,
	"unjoined-thread end_thread": threeGone,
}

// With Follow a child of the target is traced from its first event on, be it
// born after tracing began or before. Without it nothing of a child is seen.
func TestFollow(t *testing.T) {
	tests := []struct {
		name   string
		follow bool
		attach bool
		want   map[string]tally
	}{
		{name: "run and follow", follow: true, want: leakyUnderShell},
		{name: "attach and follow", follow: true, attach: true, want: leakyUnderShell},
		{name: "run alone", want: map[string]tally{}},
		{name: "attach alone", attach: true, want: map[string]tally{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := underShell(t, tracer.Options{Follow: test.follow})
			if test.attach {
				s.startUntraced()
				s.trace()
			} else {
				s.start(s.tracer.Start)
			}
			told := s.do("go 3")
			shot := s.snapshot()
			s.checkTallies(shot, test.want, s.leakyTally(shot))
			s.complete(shot)
			for _, zombie := range s.outstanding(shot, tracer.Zombie, "leak_child") {
				if zombie.Owner.PID != s.pid || zombie.Zombie.Reaper.PID != s.pid {
					t.Errorf("zombie %s: leaky is %d", renderObject(zombie), s.pid)
				}
			}
			if test.follow {
				s.checkIDs("zombies", s.outstanding(shot, tracer.Zombie, "leak_child"), byID, told.ZombiePIDs)
				s.checkIDs("threads", s.outstanding(shot, tracer.Thread, "leak_thread"), byID, told.ThreadTIDs)
			}
		})
	}
}

// What a descendant forks while its files are read, which takes many milliseconds, is
// followed like all others. A static program has none of its files in common with the
// shell, which is read before.
func TestFollowWhatIsBornMeanwhile(t *testing.T) {
	t.Parallel()
	options := tracer.Options{Follow: true, Kinds: []tracer.Kind{tracer.Zombie}}
	s := newSession(t, options, "/bin/sh", "-c", filepath.Join(programs, "family")+"; exit")
	s.startUntraced()
	s.do("grow")
	s.trace()
	told := s.do("go")
	s.checkIDs("zombies", s.outstanding(s.snapshot(), tracer.Zombie, "leak_child"), byID, told.ZombiePIDs)
}

// Children are followed also where only sockets are asked for.
func TestFollowForSockets(t *testing.T) {
	t.Parallel()
	options := tracer.Options{Follow: true, Kinds: []tracer.Kind{tracer.CloseWait}}
	s := newSession(t, options, "/bin/sh", "-c", filepath.Join(programs, "leaky-o2")+" close-wait; exit")
	s.start(s.tracer.Start)
	told := s.do("go 3")
	leaked := s.outstanding(s.snapshot(), tracer.CloseWait, "leak_socket")
	if len(leaked) != told.CloseWait {
		t.Errorf("%d sockets in CLOSE_WAIT, want %d", len(leaked), told.CloseWait)
	}
}
