package tests

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// What cannot be traced is refused in words that say why, and the tracer stays
// fit for a target that can.
func TestRefusedTargets(t *testing.T) {
	t.Parallel()
	s := newSession(t, tracer.Options{}, "leaky-o2", "zombie", "thread")
	s.startUntraced()
	told := s.do("go 1")
	tests := []struct {
		name string
		pid  int
		want string
	}{
		{name: "no such process", pid: endedProcess(t), want: "no such process"},
		{name: "pid 0", pid: 0, want: "no such process"},
		{name: "negative pid", pid: -5, want: "no such process"},
		{name: "kernel thread", pid: 2, want: "kernel thread"},
		{name: "thread", pid: told.ThreadTIDs[0], want: fmt.Sprintf("name its process, %d", s.pid)},
		{name: "zombie", pid: told.ZombiePIDs[0], want: fmt.Sprintf("reaped by process %d", s.pid)},
	}
	for _, test := range tests {
		err := s.tracer.Trace(test.pid)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got error %q, want one line with %q", test.name, err, test.want)
		}
		if target := s.tracer.Target(); target.PID != 0 {
			t.Errorf("%s: was refused and is the target: %+v", test.name, target)
		}
	}
	s.trace()
	s.do("go 3")
	shot := s.snapshot()
	if got := s.tallies(shot)["zombie leak_child"]; got != threeKept {
		t.Errorf("after refusals: got %+v, want %+v\n%s", got, threeKept, render(shot))
	}
}

// endedProcess returns the pid of a process that was reaped.
func endedProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("/bin/true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// A command that cannot be started is an error, and leaves nothing behind.
func TestRefusedCommands(t *testing.T) {
	t.Parallel()
	text := t.TempDir() + "/text"
	if err := os.WriteFile(text, []byte("no program"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/nonexistent", "/etc/passwd", text, "/"} {
		tr, err := tracer.New(tracer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Start(exec.Command(path)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("start %s: got error %v, want one with the path", path, err)
		}
		if err := tr.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if err := tr.Close(); err != nil {
			t.Errorf("close again: %v", err)
		}
	}
}

// A command that ends before it does anything is traced to its end, whatever
// its status, and that status stays the caller's to collect.
func TestShortCommands(t *testing.T) {
	for command, status := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": -1} {
		t.Run(command, func(t *testing.T) {
			t.Parallel()
			s := newSession(t, tracer.Options{Follow: true}, "/bin/sh", "-c", command)
			s.ended = true // nobody waits for it but the test
			if err := s.tracer.Start(s.cmd); err != nil {
				t.Fatal(err)
			}
			s.closeRemoteEnds()
			if err := s.cmd.Wait(); s.cmd.ProcessState == nil || s.cmd.ProcessState.ExitCode() != status {
				t.Errorf("got %v, want status %d", err, status)
			}
			s.seesExit()
			s.snapshot()
		})
	}
}

// Where a process has ended and another has got its pid, the other is not traced.
func TestReusedPID(t *testing.T) {
	s := run(t, tracer.Options{Follow: true}, "leaky-o2", "zombie", "thread")
	s.do("go 3")
	s.end()
	other := sameProgramAt(t, s.pid)
	other.do("go 5")
	shot := s.snapshot()
	if got := s.tallies(shot)["thread leak_thread"]; got != threeGone {
		t.Errorf("got %+v, want %+v\n%s", got, threeGone, render(shot))
	}
	s.checkIDs("threads", ofKind(shot, tracer.Thread), byID, nil)
}

// sameProgramAt starts an untraced leaky at a given pid. Others fork too, so it
// may take several attempts.
func sameProgramAt(t *testing.T, pid int) *program {
	t.Helper()
	for range 100 {
		before := []byte(fmt.Sprint(pid - 1))
		if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", before, 0); err != nil {
			t.Fatal(err)
		}
		p := newProgram(t, "leaky-o2", "zombie", "thread")
		p.start((*exec.Cmd).Start)
		if p.pid == pid {
			return p
		}
		p.end()
	}
	t.Fatalf("could not start a process at pid %d", pid)
	return nil
}
