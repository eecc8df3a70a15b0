package tracer

import (
	"errors"
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

// fakeProc is a running process with a file that tells its cgroups.
func fakeProc(t *testing.T, cgroup string) procfs.Proc {
	t.Helper()
	root := t.TempDir()
	dir := filepath.Join(root, "7")
	stat := "7 (nginx) S" + strings.Repeat(" 0", 49) + "\n"
	fs, err := procfs.NewFS(root)
	if err := errors.Join(err, os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "stat"), []byte(stat), 0o644)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup"), []byte(cgroup), 0o644); err != nil {
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
