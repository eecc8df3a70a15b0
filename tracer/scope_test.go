package tracer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
)

// testScopes is the scopes of a node with numbers for some cgroups; the last number
// is for all others.
func testScopes(t *testing.T, numbers uint32, admit func(string) bool) *scopes {
	t.Helper()
	array := func(size uintptr) *ebpf.Map {
		m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: uint32(size), MaxEntries: numbers + 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		return m
	}
	return newScopes(array(unsafe.Sizeof(ledgerLeakTenant{})), array(unsafe.Sizeof(ledgerLeakReturns{})), admit)
}

func number(t *testing.T, ss *scopes, cgroup, program string) uint32 {
	t.Helper()
	n, err := ss.number(Scope{cgroup, program})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestScopes(t *testing.T) {
	ss := testScopes(t, 3, nil)
	a, b := number(t, ss, "/a", "one"), number(t, ss, "/a", "two")
	c := number(t, ss, "/b", "one")
	if a == b || a == c || b == c || a == 0 || a != number(t, ss, "/a", "one") {
		t.Errorf("numbers %d %d %d, and %d again", a, b, c, number(t, ss, "/a", "one"))
	}
	for n, want := range map[uint32]Scope{a: {"/a", "one"}, b: {"/a", "two"}, c: {"/b", "one"}, 0: {}, 1 << 20: {}} {
		if got := ss.get(n); got != want {
			t.Errorf("%d is %+v, want %+v", n, got, want)
		}
	}
	// What finds no number shares the last one.
	d, e := number(t, ss, "/c", "one"), number(t, ss, "/d", "one")
	if want := (Scope{OtherCgroups, "one"}); ss.get(d) != want || e != d {
		t.Errorf("beyond the last number there are %+v and %+v", ss.get(d), ss.get(e))
	}
	// What nobody uses is free again.
	ss.sweep(map[uint32]bool{b: true})
	if want := (Scope{"/a", "two"}); ss.get(b) != want || ss.get(c) != (Scope{}) {
		t.Errorf("after a sweep there are %+v and %+v", ss.get(b), ss.get(c))
	}
	if f := number(t, ss, "/e", "one"); ss.get(f) != (Scope{"/e", "one"}) {
		t.Errorf("a free number is not used: %+v", ss.get(f))
	}
}

func TestProgramsOfScopes(t *testing.T) {
	ss := testScopes(t, 3, nil)
	got := make(map[string]int)
	for i := range maxPrograms + 3 {
		got[ss.get(number(t, ss, "/a", fmt.Sprintf("p%d", i))).Program]++
	}
	if got[OtherPrograms] != 3 || len(got) != maxPrograms+1 {
		t.Errorf("%d names, %d others: %v", len(got), got[OtherPrograms], got)
	}
	other := number(t, ss, "/a", OtherPrograms)
	for _, name := range []string{"", OtherPrograms, "p100"} {
		if n := number(t, ss, "/a", name); n != other {
			t.Errorf("%q is %+v", name, ss.get(n))
		}
	}
}

func TestAdmission(t *testing.T) {
	admitted := map[string]bool{"/a": true}
	ss := testScopes(t, 3, func(cgroup string) bool { return admitted[cgroup] })
	a, b := number(t, ss, "/a", "one"), number(t, ss, "/b", "one")
	if ss.muted(a) || !ss.muted(b) || ss.muted(0) {
		t.Errorf("muted: %t %t %t", ss.muted(a), ss.muted(b), ss.muted(0))
	}
	admitted["/b"] = true
	changed := ss.readmit()
	if len(changed) != 1 || !changed[ss.tenant(b)] || ss.muted(b) {
		t.Errorf("%d changes, /b muted %t", len(changed), ss.muted(b))
	}
	if changed = ss.readmit(); len(changed) != 0 {
		t.Errorf("%d changes without one", len(changed))
	}
}

// What Go hands out itself is refused beyond a tenant's part, and counted.
func TestTenantParts(t *testing.T) {
	var nobody *tenant
	if !nobody.mayOpen() || !nobody.mayPublish(1) || !nobody.mayTable(tableNeed{100, 1}, 1, 1) {
		t.Error("where no node is traced something is refused")
	}
	x := &tenant{cgroup: "/x"}
	for range maxFiles {
		if !x.mayOpen() {
			t.Fatal("a file is refused")
		}
		x.opened(1)
	}
	x.tabled(50)
	for range 2 {
		x.published(1)
	}
	if x.mayOpen() || x.mayPublish(8) || x.mayTable(tableNeed{1, 0}, 100, 8) || !x.mayTable(tableNeed{50, 2}, 200, 8) {
		t.Error("more than its part is not refused, or less is")
	}
	x.opened(-1)
	x.published(-1)
	if !x.mayOpen() || !x.mayPublish(8) {
		t.Error("what was given back is refused")
	}
	got := make(map[string]uint64)
	for _, r := range x.refusals(&ledgerLeakTenant{}) {
		if r.Count > 0 {
			got[r.Name] = r.Count
		}
	}
	if diff := cmp.Diff(map[string]uint64{"images": 1, "files": 1, "unwind_tables": 1}, got); diff != "" {
		t.Errorf("wrong refusals (-want +got):\n%s", diff)
	}
}

// fakeProc is a running process with a file that tells its cgroups, and without memory.
func fakeProc(t *testing.T, cgroup string) procfs.Proc {
	t.Helper()
	return fakeProcIn(t, t.TempDir(), cgroup)
}

// fakeProcIn is fakeProc in a directory that stands for /proc.
func fakeProcIn(t *testing.T, root, cgroup string) procfs.Proc {
	t.Helper()
	dir := filepath.Join(root, "7")
	stat := "7 (nginx) S" + strings.Repeat(" 0", 49) + "\n"
	fs, err := procfs.NewFS(root)
	err = errors.Join(err, os.Mkdir(dir, 0o755))
	for name, content := range map[string]string{"stat": stat, "cgroup": cgroup, "maps": ""} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
	proc, err := fs.Proc(7)
	if err != nil {
		t.Fatal(err)
	}
	return proc
}

// What cannot be read about a process does not free it from budgets and filters.
func TestPlace(t *testing.T) {
	tr := &Tracer{scopes: testScopes(t, 4, func(cgroup string) bool { return cgroup == "/a" })}
	type placed struct {
		Scope Scope
		Muted bool
	}
	place := func(cgroup string) placed {
		p := &process{pid: 7, program: "nginx"}
		if err := tr.place(p, fakeProc(t, cgroup)); err != nil {
			t.Fatal(err)
		}
		return placed{tr.scopes.get(p.scope), tr.scopes.muted(p.scope)}
	}
	got := []placed{place("garbled"), place("0::/a\n"), place("0::/b\n"), place("0::/c\n"), place("0::/d\n"), place("garbled")}
	want := []placed{
		{Scope{OtherCgroups, "nginx"}, true},
		{Scope{"/a", "nginx"}, false},
		{Scope{"/b", "nginx"}, true},
		{Scope{"/c", "nginx"}, true},
		{Scope{OtherCgroups, "nginx"}, true},
		{Scope{OtherCgroups, "nginx"}, true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	gone := fakeProc(t, "garbled")
	if err := tr.place(&process{pid: 7, start: 99}, gone); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("of a process that has ended: %v", err)
	}
}
