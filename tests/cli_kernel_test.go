package tests

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/rogpeppe/go-internal/testscript"
)

// programNames are the names of leaktrace's BPF programs in the kernel.
var programNames = sync.OnceValues(func() (map[string]bool, error) {
	objects, err := filepath.Glob("../tracer/ledger_*.o")
	if err != nil || len(objects) == 0 {
		return nil, fmt.Errorf("no BPF objects in ../tracer: %w", err)
	}
	spec, err := ebpf.LoadCollectionSpec(objects[0])
	if err != nil {
		return nil, err
	}
	names := make(map[string]bool)
	for name := range spec.Programs {
		names[name[:min(len(name), 15)]] = true
	}
	return names, nil
})

// ourPrograms lists the programs in the kernel that have a name of leaktrace's.
func ourPrograms() (map[uint32]string, error) {
	names, err := programNames()
	if err != nil {
		return nil, err
	}
	out := make(map[uint32]string)
	id, err := ebpf.ProgramGetNextID(0)
	for ; err == nil; id, err = ebpf.ProgramGetNextID(id) {
		program, err := ebpf.NewProgramFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue // freed meanwhile
		} else if err != nil {
			return nil, err
		}
		info, err := program.Info()
		_ = program.Close()
		if err != nil {
			return nil, err
		}
		if names[info.Name] {
			out[uint32(id)] = info.Name
		}
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("list programs: %w", err)
	}
	return out, nil
}

// held lists the programs that a process holds, or "*" any process.
func held(pid string) map[uint32]bool {
	out := map[string]map[uint32]bool{"prog": {}}
	descriptors, _ := filepath.Glob("/proc/" + pid + "/fd/*") // the pattern is well-formed
	for _, path := range descriptors {
		if target, err := os.Readlink(path); err == nil && strings.Contains(target, "bpf") {
			readIDs(strings.Replace(path, "/fd/", "/fdinfo/", 1), out)
		}
	}
	return out["prog"]
}

// attached checks that a leaktrace holds programs; negated, that it soon holds
// none, though it still runs.
func attached(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, false, args, 1, "attached NAME")
	p := process(ts, args[0])
	for deadline := time.Now().Add(patience / 6); ; {
		ours, err := ourPrograms()
		ts.Check(err)
		if holds := holdsAny(p.cmd.Process.Pid, ours); holds != neg {
			return
		}
		if !neg || time.Now().After(deadline) {
			ts.Fatalf("%s: holds programs of ours: %t; in the kernel: %v", args[0], neg, ours)
		}
	}
}

func holdsAny(pid int, ours map[uint32]string) bool {
	for id := range held(fmt.Sprint(pid)) {
		if ours[id] != "" {
			return true
		}
	}
	return false
}

// unattached looks at the whole machine: other scripts run leaktrace too, but
// what no process holds was left behind by one that ended. The kernel frees
// programs a moment after that.
func unattached(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 0, "unattached")
	ts.Check(awaitUnattached())
}

func awaitUnattached() error {
	for deadline := time.Now().Add(patience / 6); ; {
		left, err := ourPrograms()
		if err != nil {
			return err
		}
		for id := range held("*") {
			delete(left, id)
		}
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("programs that no process holds: %v", left)
		}
	}
}
