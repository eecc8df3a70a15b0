package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

// A child for whose record there is no memory is not counted as created. The
// kernel charges records to the memory cgroup in which the tracer's maps were
// made, so that one is given no more. Not parallel to other tests: for a moment
// the whole test process is in that cgroup.
func TestLostStorage(t *testing.T) {
	group := newMemoryGroup(t)
	leave := group.enter(t)
	s := newSession(t, tracer.Options{}, "leaky-o2", "zombie")
	leave()
	s.start(s.tracer.Start)
	told := s.do("go 20") // its stacks and sites have a place, so that only records want one
	var shot *tracer.Snapshot
	lost := func() uint64 {
		for _, lost := range shot.Lost {
			if lost.Name == "objects_no_memory" {
				return lost.Count
			}
		}
		return 0
	}
	for deadline := time.Now().Add(patience); ; {
		group.close(t)
		told = s.do("go 200")
		if shot = s.lossySnapshot(); lost() > 0 {
			break
		}
		if len(told.ZombiePIDs) > 10000 || time.Now().After(deadline) {
			t.Fatalf("%d children have records in a cgroup that may not grow", len(told.ZombiePIDs))
		}
	}
	s.lost(shot, "objects_no_memory")
	var created uint64
	for _, site := range shot.Sites {
		if site.Kind == tracer.Zombie {
			created += site.Created
		}
	}
	zombies := ofKind(shot, tracer.Zombie)
	if forked := uint64(told.Zombies + told.Reaped); created+lost() != forked {
		t.Errorf("%d created and %d lost, want %d", created, lost(), forked)
	}
	// A child without a record still waits to be reaped: only its birth is lost.
	if len(zombies) != told.Zombies {
		t.Errorf("%d outstanding, want %d", len(zombies), told.Zombies)
	}
	for _, o := range zombies {
		if !slices.Contains(told.ZombiePIDs, o.ID) {
			t.Errorf("child %s is none of the program's", renderObject(o))
		}
	}
}

// memoryGroup is a memory cgroup, of version 1 or 2.
type memoryGroup struct {
	dir, parent  string
	limit, usage string // names of files
}

// newMemoryGroup makes one beside or below the one this process is in, so that
// nothing else has to be set up.
func newMemoryGroup(t *testing.T) memoryGroup {
	t.Helper()
	g := memoryGroup{limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes"}
	root, own, unified := "", "", "/"
	list, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			root, own = mountCgroup(t, "cgroup", "memory"), fields[2]
		case fields[1] == "":
			unified = fields[2]
		}
	}
	if root == "" {
		g.limit, g.usage = "memory.max", "memory.current"
		root, own = mountCgroup(t, "cgroup2", ""), unified
		if err := os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0); err != nil {
			t.Fatalf("use the memory controller: %v", err)
		}
	}
	g.parent = filepath.Join(root, own)
	g.dir = filepath.Join(root, fmt.Sprintf("leaktrace-test-%d", os.Getpid()))
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Rmdir(g.dir) })
	return g
}

// mountCgroup mounts a hierarchy once more, wherever it is otherwise.
func mountCgroup(t testing.TB, kind, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, kind, 0, options); err != nil {
		t.Fatalf("mount %s %s: %v", kind, options, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", kind, err)
		}
	})
	return dir
}

// enter moves this process into the cgroup; leave moves it back. What was
// charged meanwhile stays charged.
func (g memoryGroup) enter(t *testing.T) (leave func()) {
	t.Helper()
	move := func(dir string) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, os.Getpid()), 0); err != nil {
			t.Fatalf("change the cgroup: %v", err)
		}
	}
	move(g.dir)
	return func() { move(g.parent) }
}

// close makes what is in use the limit.
func (g memoryGroup) close(t *testing.T) {
	t.Helper()
	for {
		usage, err := os.ReadFile(filepath.Join(g.dir, g.usage))
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(filepath.Join(g.dir, g.limit), usage, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EBUSY) { // it has grown meanwhile
			t.Fatalf("limit memory: %v", err)
		}
	}
}
