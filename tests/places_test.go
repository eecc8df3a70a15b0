package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// Wherever a program lies and whatever became of its file, its functions are
// named: from the mapped file itself, never from one that has its name.
func TestPlaces(t *testing.T) {
	tests := []struct {
		name  string
		start func(*testing.T) *session
	}{
		{"chroot in other mount, pid and net namespaces", inNamespaces},
		{"file that only its mount namespace has", onOwnMount},
		{"deleted file", deleted},
		{"another program at the file's name", replaced},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := test.start(t)
			s.trace()
			s.do("go 3")
			shot := s.snapshot()
			s.check(shot, leakyTallies(""))
			s.complete(shot)
			for _, zombie := range ofKind(shot, tracer.Zombie) {
				if zombie.Zombie.Reaper.PID != s.target || zombie.Owner.PID != s.target {
					t.Errorf("%s: its parent is %d", renderObject(zombie), s.target)
				}
			}
		})
	}
}

// inNamespaces starts the static leaky where it shares nothing with us. The
// pids it prints are those of its own namespace.
func inNamespaces(t *testing.T) *session {
	t.Helper()
	root := t.TempDir()
	copyProgram(t, "leaky-static", filepath.Join(root, "leaky"))
	script := fmt.Sprintf("ip link set lo up && exec chroot %s /leaky %s", root, strings.Join(allKinds, " "))
	s := newSession(t, tracer.Options{}, "/usr/bin/unshare", "--mount", "--pid", "--net", "--fork", "/bin/sh", "-c", script)
	s.startUntraced()
	s.target = onlyChild(t, s.cmd.Process.Pid)
	if s.pid != 1 {
		t.Fatalf("the program is not pid 1 of a namespace but %d", s.pid)
	}
	return s
}

// onOwnMount starts leaky from a file system that is mounted for it alone.
func onOwnMount(t *testing.T) *session {
	t.Helper()
	hidden := t.TempDir()
	script := fmt.Sprintf("mount -t tmpfs none %[1]s && cp %[2]s %[1]s/leaky && exec %[1]s/leaky %[3]s",
		hidden, filepath.Join(programs, "leaky-o2"), strings.Join(allKinds, " "))
	s := newSession(t, tracer.Options{}, "/usr/bin/unshare", "--mount", "/bin/sh", "-c", script)
	s.startUntraced()
	if _, err := os.Stat(filepath.Join(hidden, "leaky")); err == nil {
		t.Fatal("the test can see the program's file")
	}
	return s
}

func deleted(t *testing.T) *session {
	t.Helper()
	path := filepath.Join(t.TempDir(), "leaky")
	copyProgram(t, "leaky-o2", path)
	s := newSession(t, tracer.Options{}, path, allKinds...)
	s.startUntraced()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	return s
}

func replaced(t *testing.T) *session {
	t.Helper()
	s := deleted(t)
	copyProgram(t, "churn", s.cmd.Path)
	return s
}

func copyProgram(t *testing.T, name, path string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(programs, name))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

func onlyChild(t *testing.T, pid int) int {
	t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		t.Fatalf("process %d has not one child: %q", pid, children)
	}
	return child
}
