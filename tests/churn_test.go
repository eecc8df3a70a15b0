package tests

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/leaktrace/leaktrace/tracer"
)

// Beside tens of thousands of objects that are given back, exactly the few that
// are not are outstanding, and every count is exact. Not parallel to any other
// test: it also checks that nothing of the tracer stays in the kernel.
func TestChurn(t *testing.T) {
	const leaks = 10
	s := run(t, tracer.Options{}, "churn", "10000", "5000", "20000", strconv.Itoa(leaks))
	told := s.do("go")
	shot := s.snapshot()
	s.check(shot, churned(10000, 5000, 20000, leaks))
	s.complete(shot)
	s.checkIDs("zombies", s.outstanding(shot, tracer.Zombie, "leak_child"), byID, told.ZombiePIDs)
	s.checkIDs("threads", s.outstanding(shot, tracer.Thread, "leak_thread"), byID, told.ThreadTIDs)
	s.checkIDs("unjoined", s.outstanding(shot, tracer.UnjoinedThread, "leak_unjoined"), byID, told.UnjoinedTIDs)
	s.checkIDs("sockets", s.outstanding(shot, tracer.CloseWait, "leak_socket"), byPort, told.Ports)

	ours := kernelObjects(t)
	if len(ours["prog"]) == 0 || len(ours["map"]) == 0 || len(ours["link"]) == 0 {
		t.Fatalf("found no BPF objects of the tracer: %v", ours)
	}
	s.end()
	s.seesExit()
	if err := s.tracer.Close(); err != nil {
		t.Fatalf("close tracer: %v", err)
	}
	awaitFreed(t, ours)
}

// churned is what churn does.
func churned(threads, children, connections, leaks uint64) map[string]tally {
	kept := tally{Outstanding: int(leaks), Created: leaks}
	want := map[string]tally{
		"thread churn_thread":           {Created: threads, Released: threads},
		"unjoined-thread churn_thread":  {Created: threads, Released: threads},
		"thread leak_thread":            kept,
		"thread leak_unjoined":          {Created: leaks, Released: leaks},
		"unjoined-thread leak_unjoined": kept,
		"zombie churn_child":            {Created: children, Released: children},
		"zombie leak_child":             kept,
		"close-wait churn_connection":   {Created: connections, Released: connections},
		"close-wait leak_socket":        kept,
	}
	// Every third connection is closed by its server first.
	addAccepts(want, "churn_connection", connections-connections/3)
	return addAccepts(want, "hang_up_on", connections/3+leaks)
}

// kernelObjects lists the BPF programs, maps and links that this process holds,
// by what /proc says of its descriptors. Machine-wide lists would have those of
// a leaktrace that somebody else runs.
func kernelObjects(t *testing.T) map[string]map[uint32]bool {
	t.Helper()
	out := map[string]map[uint32]bool{"prog": {}, "map": {}, "link": {}}
	descriptors, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range descriptors {
		readIDs(path, out)
	}
	for id := range out["prog"] {
		program, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
		if err != nil {
			t.Fatalf("open program %d: %v", id, err)
		}
		info, err := program.Info()
		if err != nil {
			t.Fatalf("look at program %d: %v", id, err)
		}
		maps, _ := info.MapIDs() // also those without a descriptor
		for _, m := range maps {
			out["map"][uint32(m)] = true
		}
		_ = program.Close()
	}
	return out
}

// readIDs reads lines like "prog_id:\t12".
func readIDs(path string, into map[string]map[uint32]bool) {
	f, err := os.Open(path)
	if err != nil {
		return // the descriptor that listed the directory
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ":")
		ids := into[strings.TrimSuffix(name, "_id")]
		id, err := strconv.ParseUint(strings.TrimSpace(value), 10, 32)
		if ids != nil && err == nil && id != 0 {
			ids[uint32(id)] = true
		}
	}
}

// awaitFreed waits until none of the objects is in the kernel. It frees them
// after a grace period, some from a work queue.
func awaitFreed(t *testing.T, objects map[string]map[uint32]bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; {
		left := remaining(t, objects)
		if len(left) == 0 {
			return
		}
		runtime.GC() // unmaps the programs' variables, which hold a map
		if time.Now().After(deadline) {
			t.Fatalf("still in the kernel after Close: %v", left)
		}
	}
}

// remaining lists which of the objects the kernel still has.
func remaining(t *testing.T, objects map[string]map[uint32]bool) []string {
	t.Helper()
	var left []string
	keep := func(what string, id uint32) {
		if objects[what][id] {
			left = append(left, what+" "+strconv.Itoa(int(id)))
		}
	}
	program, err := ebpf.ProgramGetNextID(0)
	for ; err == nil; program, err = ebpf.ProgramGetNextID(program) {
		keep("prog", uint32(program))
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("list programs: %v", err)
	}
	aMap, err := ebpf.MapGetNextID(0)
	for ; err == nil; aMap, err = ebpf.MapGetNextID(aMap) {
		keep("map", uint32(aMap))
	}
	if !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("list maps: %v", err)
	}
	var links link.Iterator
	defer links.Close()
	for links.Next() {
		keep("link", uint32(links.ID))
	}
	if err := links.Err(); err != nil {
		t.Fatalf("list links: %v", err)
	}
	return left
}
