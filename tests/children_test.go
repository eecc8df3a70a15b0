package tests

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// childrenTest is one way of children.c and what must be made of it.
type childrenTest struct {
	way      string
	follow   bool
	commands []string
	want     map[string]tally
	// leak is the function that forked the zombies.
	leak string
	// grandchildren: the zombies were forked by processes that are gone.
	grandchildren bool
	exitCode      int
	signal        int
	comm          string // of the zombies, if not the program's
}

var (
	threeKept = tally{Outstanding: 3, Created: 3}
	threeGone = tally{Created: 3, Released: 3}
	threeLive = tally{Created: 3}
)

func reaped(way, function string) childrenTest {
	return childrenTest{way: way, commands: []string{"go 3"}, want: map[string]tally{"zombie " + function: threeGone}}
}

func unreaped(way, function string) childrenTest {
	return childrenTest{way: way, commands: []string{"go 3"}, leak: function, want: map[string]tally{"zombie " + function: threeKept}}
}

func childrenTests() []childrenTest {
	withCode, trueByVfork, trueBySpawn := unreaped("fork", "leak_fork"), unreaped("vfork-exec", "leak_vfork_exec"), unreaped("posix-spawn", "leak_posix_spawn")
	withCode.exitCode, trueByVfork.comm, trueBySpawn.comm = 7, "true", "true"
	tests := []childrenTest{
		withCode, trueByVfork, trueBySpawn,
		unreaped("vfork", "leak_vfork"),
		unreaped("wnowait", "leak_wnowait"),
		unreaped("fork-in-signal-handler", "leak_from_handler"),
		unreaped("clone-parent", "leak_to_parent"),
		reaped("fork-reaped", "reap_fork"),
		reaped("vfork-reaped", "reap_vfork"),
		reaped("vfork-exec-reaped", "reap_vfork_exec"),
		reaped("posix-spawn-reaped", "reap_posix_spawn"),
		reaped("sigchld-ignored", "reap_by_ignoring"),
		reaped("nocldwait", "reap_by_nocldwait"),
		reaped("waitid", "reap_waitid"),
	}
	return append(tests, lineageTests()...)
}

// lineageTests are the ways of lineage.c.
func lineageTests() []childrenTest {
	return []childrenTest{
		// /proc says Z of the leader, but the process lives.
		{way: "leader-exits-first", commands: []string{"go 3"}, want: map[string]tally{"zombie long_lived_leaderless": threeLive}},
		{way: "leader-exits-first", commands: []string{"go 3", "end"}, leak: "long_lived_leaderless", want: map[string]tally{"zombie long_lived_leaderless": threeKept}},
		{way: "exec-from-thread", commands: []string{"go 3"}, want: map[string]tally{"zombie long_lived_exec": threeLive}},
		{way: "exec-from-thread", commands: []string{"go 3", "end"}, leak: "long_lived_exec", signal: int(syscall.SIGKILL), comm: "sleep",
			want: map[string]tally{"zombie long_lived_exec": threeKept}},
		// The thread that execs is the process from then on.
		{way: "exec-from-thread", follow: true, commands: []string{"go 3", "end"}, leak: "long_lived_exec", signal: int(syscall.SIGKILL), comm: "sleep",
			want: map[string]tally{"zombie long_lived_exec": threeKept, "thread long_lived_exec": threeGone, "unjoined-thread long_lived_exec": threeGone}},
		{way: "double-fork", follow: true, commands: []string{"go 3"}, leak: "leak_grandchild", grandchildren: true,
			want: map[string]tally{"zombie leak_grandchild": threeKept, "zombie orphan_one": threeGone}},
		// As in a container whose pid 1 does not reap.
		{way: "double-fork-pidns", follow: true, commands: []string{"go 3"}, leak: "leak_grandchild", grandchildren: true,
			want: map[string]tally{"zombie leak_grandchild": threeKept, "zombie orphan_one": threeGone, "zombie double_fork_pidns": threeLive}},
	}
}

func (test childrenTest) name() string {
	name := test.way
	if test.follow {
		name += ", followed"
	}
	return name + ", " + test.commands[len(test.commands)-1]
}

// Whatever way a child is made and reaped, a zombie names the function that
// forked it, the process that did, and the process that must reap it now.
func TestChildren(t *testing.T) {
	for _, test := range childrenTests() {
		t.Run(test.name(), func(t *testing.T) {
			t.Parallel()
			s := run(t, tracer.Options{Follow: test.follow}, "children", test.way)
			var told truth
			for _, command := range test.commands {
				told = s.do(command)
			}
			if test.way == "clone-parent" {
				t.Cleanup(func() { reapAll(t, told.ZombiePIDs) })
			}
			shot := s.snapshot()
			s.check(shot, test.want)
			s.complete(shot)
			s.checkZombies(shot, test, told)
		})
	}
}

// checkZombies checks what the snapshot says of each zombie.
func (s *session) checkZombies(shot *tracer.Snapshot, test childrenTest, told truth) {
	s.t.Helper()
	zombies := s.outstanding(shot, tracer.Zombie, test.leak)
	s.checkIDs("zombies", zombies, byID, told.ZombiePIDs)
	reapers := make(map[int]int)
	for i, pid := range told.ZombiePIDs {
		reapers[pid] = told.Reaper
		if test.way == "double-fork-pidns" {
			reapers[pid] = told.AlivePIDs[i]
		}
	}
	for _, zombie := range zombies {
		if (zombie.Owner.PID == s.pid) == test.grandchildren || zombie.Owner.PID == 0 || zombie.Owner.Comm != "children" {
			s.t.Errorf("zombie %d was forked by %+v; the program is %d", zombie.ID, zombie.Owner, s.pid)
		}
		if got := zombie.Zombie.Reaper.PID; got != reapers[zombie.ID] {
			s.t.Errorf("zombie %d is to be reaped by %d, want %d", zombie.ID, got, reapers[zombie.ID])
		}
		s.checkExit(zombie, test)
	}
}

func (s *session) checkExit(zombie tracer.Object, test childrenTest) {
	s.t.Helper()
	code, comm := test.exitCode, test.comm
	if test.signal != 0 {
		code = -1
	}
	if comm == "" {
		comm = "children"
	}
	if zombie.Zombie.ExitCode != code || zombie.Zombie.Signal != test.signal || zombie.Name != comm {
		s.t.Errorf("zombie %d is %s, want %q with exit code %d, signal %d",
			zombie.ID, renderObject(zombie), comm, code, test.signal)
	}
	if zombie.BeforeTracing || zombie.Since.Before(zombie.Created) {
		s.t.Errorf("zombie %d: created %v, outstanding since %v, before tracing: %v",
			zombie.ID, zombie.Created, zombie.Since, zombie.BeforeTracing)
	}
}

// reapAll reaps children that the program gave to us.
func reapAll(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		if _, err := syscall.Wait4(pid, nil, syscall.WNOHANG, nil); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("reap %d: %v", pid, err)
		}
	}
}

// Without Follow, what children do is not recorded, but a zombie that the
// target must reap is shown, whoever forked it.
func TestAdoptedZombies(t *testing.T) {
	t.Parallel()
	s := run(t, tracer.Options{}, "children", "double-fork")
	told := s.do("go 3")
	shot := s.snapshot()
	s.check(shot, map[string]tally{"zombie orphan_one": threeGone, "zombie (no stack)": {Outstanding: 3}})
	s.checkIDs("zombies", s.outstanding(shot, tracer.Zombie, noStack), byID, told.ZombiePIDs)
}
