package cgroup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// readers is set in a process of this test that tells what it sees.
const readers = "LEAKTRACE_TEST_READER"

func TestMain(m *testing.M) {
	if os.Getenv(readers) == "" {
		os.Exit(m.Run())
	}
	var pids []int
	err := json.Unmarshal([]byte(os.Getenv(readers)), &pids)
	seen, readErr := see(append(pids, os.Getpid()))
	if err := errors.Join(err, readErr, json.NewEncoder(os.Stdout).Encode(seen)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until it has been looked at
}

// sight is how a cgroup is seen.
type sight struct {
	Path []string
	Dir  string
}

// see looks at processes, by pid and hierarchy.
func see(pids []int) (map[int]map[int]sight, error) {
	view, seen := Look("/"), make(map[int]map[int]sight)
	for _, pid := range pids {
		proc, err := procfs.NewProc(pid)
		if err != nil {
			return nil, err
		}
		groups, err := proc.Cgroups()
		if err != nil {
			return nil, err
		}
		seen[pid] = make(map[int]sight)
		for _, g := range groups {
			place, _ := view.Place(g)
			seen[pid][g.HierarchyID] = sight{view.Path(g), filepath.Join(place.Point, filepath.Join(place.Below...))}
		}
	}
	return seen, nil
}

// A process in a cgroup namespace of its own, to which the hierarchies are mounted
// from the top, sees the cgroups as one in the host's does.
func TestNamespace(t *testing.T) {
	unified := t.TempDir()
	mountAt(t, unified, "cgroup2")
	name := fmt.Sprintf("leaktrace-%d", os.Getpid())
	pod, beside := []string{makeGroup(t, unified, name, "a", "pod")}, []string{makeGroup(t, unified, name, "b")}
	// Of v1 there is what the machine has.
	for _, m := range Look("/").mounts {
		if !m.v2 && slices.Contains(m.options, "pids") {
			pod = append(pod, makeGroup(t, m.point, name, "pod"))
			beside = append(beside, makeGroup(t, m.point, name, "c", "d"))
			break
		}
	}

	neighbour := startIn(t, beside, nil, "cat")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inside := startIn(t, pod, []string{fmt.Sprintf("%s=[%d,%d]", readers, neighbour.pid, os.Getpid())}, "unshare", "-C", self)
	var got map[int]map[int]sight
	if err := json.NewDecoder(inside.out).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if namespace(t, inside.pid) == namespace(t, os.Getpid()) {
		t.Fatal("the reader is in the test's cgroup namespace")
	}
	want, err := see([]int{neighbour.pid, os.Getpid(), inside.pid})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-host +namespace):\n%s", diff)
	}
	if path := filepath.Join(got[inside.pid][0].Path...); path != filepath.Join(name, "a/pod") {
		t.Errorf("the reader is in %s", path)
	}
}

func mountAt(t *testing.T, dir, kind string) {
	t.Helper()
	if err := unix.Mount("none", dir, kind, 0, ""); err != nil {
		t.Fatalf("mount %s: %v", kind, err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// makeGroup makes a cgroup in others, which are removed with the last one in them.
func makeGroup(t *testing.T, top string, names ...string) (dir string) {
	t.Helper()
	dir = top
	for _, name := range names {
		dir = filepath.Join(dir, name)
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		made := dir
		t.Cleanup(func() { remove(t, made) })
	}
	return dir
}

// remove waits for the last process to be gone.
func remove(t *testing.T, dir string) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Rmdir(dir)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			t.Errorf("remove %s: %v", dir, err)
			return
		}
	}
}

type child struct {
	pid int
	out io.Reader
}

// startIn starts a program in cgroups. It has to end at the end of its input.
func startIn(t *testing.T, groups, environment []string, program ...string) child {
	t.Helper()
	const enter = `until [ "$1" = -- ]; do echo $$ >"$1/cgroup.procs" || exit; shift; done; shift; echo; exec "$@"`
	args := append([]string{"-c", enter, "sh"}, groups...)
	command := exec.Command("sh", append(append(args, "--"), program...)...)
	command.Env = append(os.Environ(), environment...)
	command.Stderr = os.Stderr
	in, inErr := command.StdinPipe()
	out, outErr := command.StdoutPipe()
	if err := errors.Join(inErr, outErr, command.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(in.Close(), command.Wait()); err != nil {
			t.Error(err)
		}
	})
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatalf("enter %v: %v", groups, err)
	}
	return child{command.Process.Pid, out}
}

// namespace tells the cgroup namespace of a process.
func namespace(t *testing.T, pid int) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	return link
}
