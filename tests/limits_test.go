package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// Users that nobody else is, so that their tasks are the tests' alone.
const (
	limitedUser     = 2_000_000_011
	namespaceUser   = 2_000_000_012
	descriptorsUser = 2_000_000_013
)

// limitsTruth is what programs/limits.c says it did.
type limitsTruth struct {
	Zombies int  `json:"zombies"`
	Threads int  `json:"threads"`
	Files   int  `json:"files"`
	Refused bool `json:"refused"`
}

// limited is a running programs/limits.c.
type limited struct{ *program }

// startLimited starts it by a shell that runs a line first.
func startLimited(t *testing.T, first string, args ...any) limited {
	t.Helper()
	command := []string{"-c", first + `; exec "$0" "$@"`, filepath.Join(programs, "limits")}
	for _, arg := range args {
		command = append(command, fmt.Sprint(arg))
	}
	l := limited{newProgram(t, "/bin/sh", command...)}
	l.start((*exec.Cmd).Start)
	return l
}

// do sends a command, which the kernel must refuse to finish or not.
func (l limited) do(command string, refused bool) limitsTruth {
	l.t.Helper()
	l.send(command)
	told := decode[limitsTruth](l.program)
	if told.Refused != refused {
		l.t.Fatalf("%s: refused is %v: %+v", command, told.Refused, told)
	}
	return told
}

// read returns the limits whose name begins with one of the prefixes.
func (l limited) read(prefixes ...string) []limit.Limit {
	l.t.Helper()
	r, err := limit.NewReader("/")
	if err != nil {
		l.t.Fatal(err)
	}
	limits, err := r.Read(tracer.Process{PID: l.pid, Comm: "limits"})
	if err != nil {
		l.t.Fatal(err)
	}
	var chosen []limit.Limit
	for _, read := range limits {
		if slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(read.Name, p) }) {
			chosen = append(chosen, read)
		}
	}
	return chosen
}

func (l limited) check(got, want []limit.Limit) {
	l.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		l.t.Error(diff)
	}
}

func (l limited) nproc(uid, used, most int) limit.Limit {
	return limit.Limit{
		Name:     fmt.Sprintf("RLIMIT_NPROC of limits (pid %d) for user %d", l.pid, uid),
		Resource: limit.Tasks, Each: map[tracer.Kind]uint64{tracer.Zombie: 1, tracer.Thread: 1},
		Used: uint64(used), Max: uint64(most), Shared: true,
	}
}

// When the kernel refuses one more, all is used: each limit counts just what the
// kernel counts. Zombies, threads and other processes of the user are tasks.
func TestLimitOfUser(t *testing.T) {
	t.Parallel()
	other := startLimited(t, ":", limitedUser, 0, 0, 0)
	other.do("threads 3", false)
	l := startLimited(t, ":", limitedUser, 50, 0, 0)
	l.do("zombies 7", false)
	l.check(l.read("RLIMIT_NPROC"), []limit.Limit{l.nproc(limitedUser, 4+1+7, 50)})
	l.do("threads 5", false)
	l.check(l.read("RLIMIT_NPROC"), []limit.Limit{l.nproc(limitedUser, 4+1+12, 50)})
	told := l.do("zombies 50", true)
	l.check(l.read("RLIMIT_NPROC"), []limit.Limit{l.nproc(limitedUser, 50, 50)})
	if told.Zombies+told.Threads != 45 {
		t.Errorf("it said %+v", told)
	}
}

// In its own user namespace a process has all capabilities and is bound still;
// what its user does elsewhere does not count there.
func TestLimitInUserNamespace(t *testing.T) {
	t.Parallel()
	startLimited(t, ":", namespaceUser, 0, 0, 0)
	l := startLimited(t, ":", namespaceUser, 20, 0, 0)
	l.do("userns", false)
	l.do("zombies 4", false)
	l.check(l.read("RLIMIT_NPROC"), []limit.Limit{l.nproc(namespaceUser, 5, 20)})
}

// Root is not bound, and so has no such limit.
func TestLimitOfRoot(t *testing.T) {
	t.Parallel()
	l := startLimited(t, ":", 0, 1, 0, 0)
	l.do("zombies 4", false)
	l.check(l.read("RLIMIT_NPROC"), nil)
}

func TestLimitOfDescriptors(t *testing.T) {
	t.Parallel()
	l := startLimited(t, ":", descriptorsUser, 0, 64, 0)
	nofile := func(used int) []limit.Limit {
		return []limit.Limit{{
			Name:     fmt.Sprintf("RLIMIT_NOFILE of limits (pid %d)", l.pid),
			Resource: limit.Descriptors, Each: map[tracer.Kind]uint64{tracer.CloseWait: 1},
			Used: uint64(used), Max: 64,
		}}
	}
	l.check(l.read("RLIMIT_NOFILE"), nofile(3))
	l.do("files 10", false)
	l.check(l.read("RLIMIT_NOFILE"), nofile(13))
	l.do("headless", false)
	l.check(l.read("RLIMIT_NOFILE"), nofile(13))
	l.do("files 100", true)
	l.check(l.read("RLIMIT_NOFILE"), nofile(64))
}

// Each thread takes what Each says, and there are no more when less is left.
func TestLimitOfStacks(t *testing.T) {
	t.Parallel()
	const space = 200 << 20
	l := startLimited(t, "ulimit -s 1024", 0, 0, 0, space)
	l.do("headless", false)
	l.do("threads 1", false)
	before := l.read("RLIMIT_AS", "vm.max_map_count")
	l.do("threads 20", false)
	after := l.read("RLIMIT_AS", "vm.max_map_count")
	if len(before) != 2 || len(after) != 2 {
		t.Fatalf("got %+v, then %+v", before, after)
	}
	for i := range before {
		before[i].Used += 20 * before[i].Each[tracer.Thread]
	}
	l.check(after, before)
	l.do("threads 1000", true)
	full := l.read("RLIMIT_AS")[0]
	if each := full.Each[tracer.UnjoinedThread]; each != 1<<20+4096 || full.Max != space || full.Max-full.Used >= each {
		t.Errorf("got %+v", full)
	}
}

// Who has ended has no limits: neither a child that waits to be reaped, which holds
// nothing any more, nor the one who had a pid before.
func TestLimitsOfEnded(t *testing.T) {
	t.Parallel()
	s := run(t, tracer.Options{Kinds: []tracer.Kind{tracer.Zombie}}, "headless")
	s.do("go 1")
	zombie := s.outstanding(s.snapshot(), tracer.Zombie, "leak_child")[0]
	r, err := limit.NewReader("/")
	if err != nil {
		t.Fatal(err)
	}
	if limits, err := r.Read(zombie.Owner); err != nil || len(limits) == 0 {
		t.Errorf("of the one who lives: %+v, %v", limits, err)
	}
	before := zombie.Owner
	before.Start -= uint64(time.Second)
	for _, ended := range []tracer.Process{before, {PID: zombie.ID}} {
		if limits, err := r.Read(ended); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("of %+v: %+v, %v", ended, limits, err)
		}
	}
}

func TestLimitOfCgroups(t *testing.T) {
	t.Parallel()
	outer := newCgroup(t)
	inner := outer.child(t)
	outer.set(t, "pids.max", "50")
	inner.set(t, "pids.max", "60")
	l := startLimited(t, "echo $$ >"+string(inner)+"/cgroup.procs", 0, 0, 0, 0)
	pids := func(used int) []limit.Limit {
		each := map[tracer.Kind]uint64{tracer.Zombie: 1, tracer.Thread: 1}
		return []limit.Limit{
			{Name: inner.name(), Resource: limit.Tasks, Each: each, Used: uint64(used), Max: 60, Shared: true},
			{Name: outer.name(), Resource: limit.Tasks, Each: each, Used: uint64(used), Max: 50, Shared: true},
		}
	}
	read := func() []limit.Limit {
		limits := l.read("pids.max of ")
		return limits[:min(2, len(limits))] // Above ours there may be more.
	}
	l.check(read(), pids(1))
	l.do("zombies 7", false)
	l.check(read(), pids(8))
	l.do("threads 3", false)
	l.check(read(), pids(11))
	l.do("zombies 60", true)
	l.check(read(), pids(50))
	outer.set(t, "pids.max", "max")
	l.check(read()[:1], pids(50)[:1])
}

// cgroup is the directory of a cgroup that can limit tasks.
type cgroup string

// newCgroup makes one below the root of whatever hierarchy has the controller.
func newCgroup(t *testing.T) cgroup {
	t.Helper()
	const v2 = "/sys/fs/cgroup"
	for _, root := range []cgroup{v2 + "/pids", v2, v2 + "/unified"} {
		controllers, err := os.ReadFile(filepath.Join(string(root), "cgroup.controllers"))
		if root == v2+"/pids" && root.has("tasks") || err == nil && slices.Contains(strings.Fields(string(controllers)), "pids") {
			return root.child(t)
		}
	}
	t.Fatal("no cgroup hierarchy with the pids controller is mounted below " + v2)
	return ""
}

func (c cgroup) has(file string) bool {
	_, err := os.Stat(filepath.Join(string(c), file))
	return err == nil
}

func (c cgroup) set(t *testing.T, file, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(string(c), file), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// child makes a cgroup in which tasks are counted, for as long as the test runs.
func (c cgroup) child(t *testing.T) cgroup {
	t.Helper()
	if c.has("cgroup.subtree_control") {
		c.set(t, "cgroup.subtree_control", "+pids")
	}
	dir, err := os.MkdirTemp(string(c), "leaktrace")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return cgroup(dir)
}

// name is how a limit of the cgroup is called.
func (c cgroup) name() string {
	path := string(c)[strings.Index(string(c), "/leaktrace"):]
	return "pids.max of " + path
}
