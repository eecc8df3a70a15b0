package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// nodeGroup is a cgroup of version 2, made for a test.
type nodeGroup struct {
	path string // as /proc/PID/cgroup has it
	dir  *os.File
}

var cgroupsMade atomic.Int64

func newNodeGroup(t testing.TB, root string) *nodeGroup {
	t.Helper()
	path := fmt.Sprintf("/leaktrace-node-%d-%d", os.Getpid(), cgroupsMade.Add(1))
	if err := os.Mkdir(root+path, 0o755); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Open(root + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dir.Close()
		if err := removeGroup(root + path); err != nil {
			t.Errorf("remove cgroup: %v", err)
		}
	})
	return &nodeGroup{path, dir}
}

// start starts a program in the cgroup.
func (g *nodeGroup) start(t testing.TB, name string, args ...string) *program {
	t.Helper()
	p := newProgram(t, name, args...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.dir.Fd())}
	p.start((*exec.Cmd).Start)
	return p
}

// node is a machine of which all processes are traced.
type node struct {
	*session
	root string // where the cgroups are mounted
}

// newNode attaches the hooks; nothing is traced before TraceNode.
func newNode(t *testing.T, options tracer.Options) *node {
	t.Helper()
	tr, err := tracer.New(options)
	if err != nil {
		t.Fatalf("new tracer: %v", err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("close tracer: %v", err)
		}
	})
	return &node{&session{program: &program{t: t}, tracer: tr, blame: siteFunction}, mountCgroup(t, "cgroup2", "")}
}

func (n *node) traceAll(admit func(string) bool) {
	n.t.Helper()
	if err := n.tracer.TraceNode(admit); err != nil {
		n.t.Fatalf("trace the node: %v", err)
	}
}

// startSeen starts a program in a cgroup and waits until the tracer has heard of it:
// what it does before is its parent's, or where that is not traced not seen.
func (n *node) startSeen(g *nodeGroup, name string, args ...string) *program {
	n.t.Helper()
	p := g.start(n.t, name, args...)
	n.awaitLossy("the program", func(shot *tracer.Snapshot) bool { return len(in(shot, g).Processes) == 1 })
	return p
}

// in is what of a snapshot is a cgroup's.
func in(shot *tracer.Snapshot, g *nodeGroup) *tracer.Snapshot {
	part := *shot
	part.Sites = slices.DeleteFunc(slices.Clone(shot.Sites), func(s tracer.Site) bool { return s.Scope.Cgroup != g.path })
	part.Processes = slices.DeleteFunc(slices.Clone(shot.Processes), func(p tracer.ProcessActivity) bool { return p.Scope.Cgroup != g.path })
	return &part
}

// One program in two cgroups is two scopes: each has its own counts of the same
// sites, also of what is older than tracing, and of processes that begin later.
func TestNode(t *testing.T) {
	n := newNode(t, tracer.Options{})
	first, second := newNodeGroup(t, n.root), newNodeGroup(t, n.root)
	old := first.start(t, "churn", "30", "20", "10", "3")
	old.do("go")
	n.traceAll(nil)
	young := n.startSeen(second, "churn", "60", "40", "20", "5")
	told := young.do("go")
	old.do("go")
	shot := n.lossySnapshot()
	n.checkChurn(in(shot, first), 30, 20, 10, 3, 3)
	n.checkChurn(in(shot, second), 60, 40, 20, 5, 0)
	for _, p := range in(shot, second).Processes {
		if want := (tracer.Scope{Cgroup: second.path, Program: "churn"}); p.Scope != want {
			t.Errorf("scope %+v, want %+v", p.Scope, want)
		}
	}
	if len(told.ThreadTIDs) != 5 {
		t.Errorf("%d threads were leaked, want 5", len(told.ThreadTIDs))
	}
	old.end()
	young.end()
	n.awaitLossy("the scopes to end", func(shot *tracer.Snapshot) bool {
		return len(in(shot, first).Sites)+len(in(shot, second).Sites) == 0
	})
}

// checkChurn checks the sums of all sites of each kind: what is outstanding since
// before tracing began has no counts.
func (n *node) checkChurn(shot *tracer.Snapshot, threads, children, connections, leaks uint64, before int) {
	n.t.Helper()
	for _, site := range shot.Sites {
		if len(site.Stack.Frames) > 0 && site.Stack.Quality != tracer.Complete {
			n.t.Errorf("a %s stack is %s", site.Kind, site.Stack.Quality)
		}
	}
	accepted := accepts(connections + leaks)
	both := before + int(leaks)
	n.checkSums(shot, map[tracer.Kind]tally{
		tracer.Thread:         {both, threads + 2*leaks, threads + leaks},
		tracer.UnjoinedThread: {int(leaks), threads + leaks, threads},
		tracer.Zombie:         {both, children + leaks, children},
		tracer.CloseWait:      {both, connections + leaks + accepted, connections + accepted},
	})
}

// Nothing is recorded of a cgroup that is not admitted, nor of what its processes
// fork, until it is admitted: from then on what it has counts as older.
func TestNodeAdmits(t *testing.T) {
	n := newNode(t, tracer.Options{})
	group := newNodeGroup(t, n.root)
	var admitted atomic.Bool
	n.traceAll(func(cgroup string) bool { return cgroup == group.path && admitted.Load() })
	p := group.start(t, "churn", "10", "10", "10", "2")
	p.do("go")
	shot := n.lossySnapshot()
	if len(shot.Sites) > 0 || len(shot.Processes) > 0 || shot.Tracked > 0 {
		t.Fatalf("without any cgroup there are %d processes, %d objects and\n%s", len(shot.Processes), shot.Tracked, render(shot))
	}
	admitted.Store(true)
	n.lossySnapshot() // after which it is traced
	p.do("go")
	shot = n.lossySnapshot()
	n.checkChurn(in(shot, group), 10, 10, 10, 2, 2)
	if others := len(shot.Processes) - len(in(shot, group).Processes); others != 0 {
		t.Errorf("%d processes of other cgroups are traced", others)
	}
	admitted.Store(false)
	n.lossySnapshot()
	if shot = n.lossySnapshot(); len(shot.Processes) > 0 {
		t.Errorf("%d processes are traced still", len(shot.Processes))
	}
	p.end()
}

// However fast a cgroup forks of which nothing is recorded, nothing is refused to it:
// there is nothing to read of its children.
func TestNodeOfMutedForks(t *testing.T) {
	n := newNode(t, tracer.Options{})
	group := newNodeGroup(t, n.root)
	n.traceAll(func(cgroup string) bool { return false })
	p := group.start(t, "churn", "0", "4000", "0", "0")
	p.do("go")
	n.lossySnapshot() // the next one shows what it was told
	if got := refused(n.lossySnapshot()); len(got) > 0 {
		t.Errorf("refused: %v", got)
	}
	p.end()
}

// Cgroups that take all they can get of what is shared blind nobody else: they are
// refused more than their part, and that is counted.
func TestTenants(t *testing.T) {
	n := newNode(t, small(map[string]uint32{"stacks": 400, "threads": 8000, "tcbs": 64}))
	greedy, second, modest := newNodeGroup(t, n.root), newNodeGroup(t, n.root), newNodeGroup(t, n.root)
	n.traceAll(func(cgroup string) bool {
		return cgroup == greedy.path || cgroup == second.path || cgroup == modest.path
	})
	flood := n.startSeen(greedy, "stacks")
	told := flood.do("keep 500")
	flood2 := n.startSeen(second, "stacks")
	flood2.do("keep 500")
	quiet := n.startSeen(modest, "churn", "30", "20", "10", "3")
	quiet.do("go")
	shot := n.lossySnapshot()
	n.checkChurn(in(shot, modest), 30, 20, 10, 3, 0)
	alive := ofKind(in(shot, greedy), tracer.Thread)
	n.checkIDs("threads of the greedy", alive, byID, told.ThreadTIDs)
	nameless := 0
	for _, site := range in(shot, greedy).Sites {
		if site.Kind == tracer.Thread && site.Group == tracer.NotSampled {
			nameless = len(site.Outstanding)
		}
	}
	if nameless != 300 {
		t.Errorf("%d of 500 threads have no stack, want 300: half of 400 stacks is one tenant's", nameless)
	}
	// The second got half of what was left, and as much is left for all others.
	want := []tracer.Refusal{
		{Cgroup: greedy.path, Counter: tracer.Counter{Name: "stacks", Count: 300}},
		{Cgroup: second.path, Counter: tracer.Counter{Name: "stacks", Count: 400}},
	}
	if diff := cmp.Diff(want, refused(shot)); diff != "" {
		t.Errorf("wrong refusals (-want +got):\n%s", diff)
	}
	flood.end()
	flood2.end()
	// What it gave back it may have again.
	n.awaitLossy("the stacks to be freed", func(shot *tracer.Snapshot) bool { return len(in(shot, greedy).Sites)+len(in(shot, second).Sites) == 0 })
	flood = n.startSeen(greedy, "stacks")
	flood.do("keep 100")
	if got := refused(n.lossySnapshot()); len(got) > 0 {
		t.Errorf("refused as much as fits: %v", got)
	}
	flood.end()
	quiet.end()
}

// The same of threads that live, and of those that were not joined.
func TestTenantsOfThreads(t *testing.T) {
	n := newNode(t, small(map[string]uint32{"threads": 60, "tcbs": 40}))
	living, finished, modest := newNodeGroup(t, n.root), newNodeGroup(t, n.root), newNodeGroup(t, n.root)
	n.traceAll(func(cgroup string) bool {
		return cgroup == living.path || cgroup == finished.path || cgroup == modest.path
	})
	alive := n.startSeen(living, "stacks")
	alive.do("keep 100")
	ended := n.startSeen(finished, "leaky-o2", "unjoined")
	told := ended.do("go 50")
	quiet := n.startSeen(modest, "churn", "10", "10", "10", "3")
	quiet.do("go")
	shot := n.lossySnapshot()
	n.checkChurn(in(shot, modest), 10, 10, 10, 3, 0)
	got := map[string]int{
		"alive": len(ofKind(in(shot, living), tracer.Thread)), "finished": len(ofKind(in(shot, finished), tracer.UnjoinedThread)),
	}
	if diff := cmp.Diff(map[string]int{"alive": 45, "finished": 20}, got); diff != "" {
		t.Errorf("three times what is free is a tenant's, and as much as is free (-want +got):\n%s", diff)
	}
	r := refused(shot)
	if len(r) != 2 || r[0] != (tracer.Refusal{Cgroup: living.path, Counter: tracer.Counter{Name: "threads", Count: 55}}) {
		t.Fatalf("refused: %v", r)
	}
	// For each there is one that is joined a moment later, and refused as well.
	least, most := uint64(told.Unjoined-20), uint64(2*told.Unjoined)
	if r[1].Cgroup != finished.path || r[1].Name != "finished_threads" || r[1].Count < least || r[1].Count > most {
		t.Errorf("refused: %+v, want %d to %d finished threads", r[1], least, most)
	}
	for _, p := range []*program{alive, ended, quiet} {
		p.end()
	}
}

// A budget that was given back more than was taken from it, as by processes that
// change their cgroup, refuses nothing. Not parallel: it looks a map up by name.
func TestBudgetBelowNothing(t *testing.T) {
	n := newNode(t, tracer.Options{})
	group := newNodeGroup(t, n.root)
	n.traceAll(func(cgroup string) bool { return cgroup == group.path })
	p := n.startSeen(group, "churn", "10", "10", "10", "3")
	tenants := kernelMap(t, "tenants")
	account := make([]byte, tenants.ValueSize())
	for i := range account {
		account[i] = 0xff // -1 of everything: what is by the second counts anew
	}
	for number := range tenants.MaxEntries() {
		if err := tenants.Put(number, account); err != nil {
			t.Fatal(err)
		}
	}
	p.do("go")
	n.checkChurn(in(n.lossySnapshot(), group), 10, 10, 10, 3, 0)
	p.end()
}

// A cgroup that uses sockets from ever new stacks does not put out those that others
// use theirs from. Not parallel: it looks a map up by name.
func TestTenantUses(t *testing.T) {
	const entries, modestUses, greedyUses = 2048, 50, 5000
	n := newNode(t, small(map[string]uint32{"uses": entries}))
	greedy, modest := newNodeGroup(t, n.root), newNodeGroup(t, n.root)
	n.traceAll(func(cgroup string) bool { return cgroup == greedy.path || cgroup == modest.path })
	quiet, flood := n.startSeen(modest, "stacks"), n.startSeen(greedy, "stacks")
	quiet.do(fmt.Sprint("use ", modestUses))
	uses := kernelMap(t, "uses")
	var before []uint64
	for id := range keys(t, uses) {
		before = append(before, id)
	}
	if len(before) < modestUses {
		t.Fatalf("%d uses are known, want %d", len(before), modestUses)
	}
	flood.do(fmt.Sprint("use ", greedyUses))
	after := keys(t, uses)
	for _, id := range before {
		if !after[id] {
			t.Errorf("a use of %d is put out by %d others", len(before), len(after)-len(before))
			break
		}
	}
	shot := n.lossySnapshot()
	for _, r := range refused(shot) {
		if r.Cgroup != greedy.path || r.Name != "uses" && r.Name != "events" {
			t.Errorf("refused %v", r)
		}
	}
	if !slices.ContainsFunc(refused(shot), func(r tracer.Refusal) bool { return r.Name == "uses" }) {
		t.Errorf("%d uses of one cgroup were taken", greedyUses)
	}
	flood.end()
	quiet.end()
}

// keys are the ids of a map of stacks.
func keys(t *testing.T, m *ebpf.Map) map[uint64]bool {
	t.Helper()
	all := make(map[uint64]bool)
	var id uint64
	err := m.NextKey(nil, &id)
	for ; err == nil; err = m.NextKey(id, &id) {
		all[id] = true
	}
	if !errors.Is(err, ebpf.ErrKeyNotExist) {
		t.Fatal(err)
	}
	return all
}

// refused lists the refusals that happened.
func refused(shot *tracer.Snapshot) []tracer.Refusal {
	return slices.DeleteFunc(slices.Clone(shot.Refused), func(r tracer.Refusal) bool { return r.Count == 0 })
}

func (n *node) awaitLossy(what string, shows func(*tracer.Snapshot) bool) {
	n.t.Helper()
	n.awaitIn(n.lossySnapshot, what, shows)
}

// What no event told of is found in the kernel's list: forks and execs whose events
// were lost.
func TestNodeFindsLostProcesses(t *testing.T) {
	for name, event := range map[string]uint32{"fork": 2, "exec": 3} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, tracer.Options{Tuning: tracer.Tuning{Constants: map[string]any{"lost_event": event}}})
			group := newNodeGroup(t, n.root)
			n.traceAll(nil)
			p := group.start(t, "churn", "10", "10", "10", "2")
			n.awaitLossy("the process in its cgroup", func(shot *tracer.Snapshot) bool {
				processes := in(shot, group).Processes
				return len(processes) == 1 && processes[0].Scope.Program == "churn"
			})
			p.do("go")
			n.checkChurn(in(n.lossySnapshot(), group), 10, 10, 10, 2, 0)
			p.end()
		})
	}
}

// A process that cannot be taken up because its main thread has ended is counted.
func TestNodeHeadless(t *testing.T) {
	unreadable := func() uint64 {
		n := newNode(t, tracer.Options{})
		n.traceAll(nil)
		lost := n.lossySnapshot().Lost
		return lost[slices.IndexFunc(lost, func(c tracer.Counter) bool { return c.Name == "processes_unreadable" })].Count
	}
	others := unreadable()
	p := newProgram(t, "headless")
	p.start((*exec.Cmd).Start)
	p.do("end")
	if got := unreadable(); got <= others {
		t.Errorf("%d processes are unreadable, and %d without it", got, others)
	}
	p.end()
}

// Threads that nobody has joined for a second when their process ends never were: they do
// not count as joined where others of the same site live on.
func TestUnjoinedGoWithTheirProcess(t *testing.T) {
	n := newNode(t, tracer.Options{})
	group := newNodeGroup(t, n.root)
	n.traceAll(func(cgroup string) bool { return cgroup == group.path })
	first := n.startSeen(group, "leaky-o2", "unjoined")
	second := group.start(t, "leaky-o2", "unjoined")
	processes := func(want int) {
		t.Helper()
		n.awaitLossy("the processes", func(shot *tracer.Snapshot) bool { return len(in(shot, group).Processes) == want })
	}
	processes(2)
	for _, p := range []*program{first, second} {
		p.do("go 4")
	}
	check := func(want tally) {
		t.Helper()
		shot := in(n.lossySnapshot(), group)
		if got := n.tallies(shot)["unjoined-thread leak_unjoined"]; got != want {
			t.Errorf("unjoined threads: %+v, want %+v\n%s", got, want, render(shot))
		}
	}
	check(tally{Outstanding: 8, Created: 8})
	n.awaitLossy("a second to pass since they ended", func(shot *tracer.Snapshot) bool {
		return !slices.ContainsFunc(ofKind(in(shot, group), tracer.UnjoinedThread), func(o tracer.Object) bool {
			return shot.Time.Sub(o.Since) < time.Second
		})
	})
	first.end()
	processes(1)
	check(tally{Outstanding: 4, Created: 8})
	second.do("go 1")
	check(tally{Outstanding: 5, Created: 9})
	second.end()
}

// A program may not have as many names as it likes: those beyond the first are one.
func TestManyPrograms(t *testing.T) {
	n := newNode(t, tracer.Options{})
	group := newNodeGroup(t, n.root)
	n.traceAll(func(cgroup string) bool { return cgroup == group.path })
	original, err := os.ReadFile(filepath.Join(programs, "churn"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i := range 20 {
		path := filepath.Join(dir, fmt.Sprintf("name%02d", i))
		if err := os.WriteFile(path, original, 0o755); err != nil {
			t.Fatal(err)
		}
		group.start(t, path, "1", "1", "1", "1").do("go")
	}
	programs := make(map[string]int)
	for _, p := range in(n.lossySnapshot(), group).Processes {
		name := p.Scope.Program
		if strings.HasPrefix(name, "name") {
			name = "a name"
		}
		programs[name]++
	}
	if diff := cmp.Diff(map[string]int{"a name": 15, tracer.OtherPrograms: 5}, programs); diff != "" {
		t.Errorf("wrong programs (-want +got):\n%s", diff)
	}
}
