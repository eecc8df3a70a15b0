package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// measureStack measures capture_stack alone: bpf/stack.bpf.c has it in a
// program that the traced process runs on itself, by a system call. Its maps
// are those of a running leaktrace, which has seen the stack before: what is
// measured is the walk, the hash and the look-up in the stack table. Only a
// stack's first sight costs an event, too.
func (b *bench) measureStack() error {
	b.progress("one captured stack")
	return underTrace(b.captureStacks)
}

func (b *bench) captureStacks(p *program, pid int) error {
	programs, err := b.loadCapture(pid)
	if err != nil {
		return err
	}
	defer programs.Close()
	statistics, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return fmt.Errorf("turn on statistics of BPF programs: %w", err)
	}
	defer statistics.Close()
	for _, state := range []struct {
		name, loop string
		count      int
	}{{"warm", "capture", 20000}, {"after 4 MiB of other memory", "cool", 400}, {"after 64 MiB of other memory", "cold", 40}} {
		var captured, nothing, net []float64
		for range b.rounds(15, 7) {
			with, err1 := meanRun(p, programs.Programs["capture_once"], state.loop, state.count)
			without, err2 := meanRun(p, programs.Programs["capture_nothing"], state.loop, state.count)
			if err := errors.Join(err1, err2); err != nil {
				return err
			}
			captured, nothing, net = append(captured, with), append(nothing, without), append(net, with-without)
		}
		b.add("stack", state.name, "captured", "ns", captured)
		b.add("stack", state.name, "empty program", "ns", nothing)
		b.add("stack", state.name, "net", "ns", net)
	}
	return nil
}

// meanRun has a process run a program on itself.
func meanRun(p *program, measured *ebpf.Program, loop string, count int) (float64, error) {
	info, err := measured.Info()
	if err != nil {
		return 0, err
	}
	id, _ := info.ID()
	if _, err := fmt.Fprintf(p.stdin, "use %d\n", id); err != nil {
		return 0, err
	}
	if _, err := p.run(loop, 3); err != nil {
		return 0, err
	}
	before, err := measured.Stats()
	if err != nil {
		return 0, err
	}
	if _, err := p.run(loop, count); err != nil {
		return 0, err
	}
	after, err := measured.Stats()
	if err != nil {
		return 0, err
	}
	if runs := after.RunCount - before.RunCount; runs != uint64(count) {
		return 0, fmt.Errorf("%s: %d runs instead of %d", loop, runs, count)
	}
	return float64(after.Runtime-before.Runtime) / float64(count), nil
}

// loadCapture builds bpf/stack.bpf.c and loads it with leaktrace's own maps.
func (b *bench) loadCapture(pid int) (*ebpf.Collection, error) {
	object := filepath.Join(b.scratch, "stack.o")
	compile := exec.Command("clang-19", "-target", "bpf", "-D__TARGET_ARCH_x86", "-I.", "-Ibpf", "-Ibpf/headers",
		"-O2", "-g", "-mcpu=v3", "-c", "tests/bench/bpf/stack.bpf.c", "-o", object)
	if text, err := compile.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile stack.bpf.c: %w: %s", err, text)
	}
	spec, err := ebpf.LoadCollectionSpec(object)
	if err != nil {
		return nil, err
	}
	for name := range spec.Programs {
		if name != "capture_once" && name != "capture_nothing" {
			delete(spec.Programs, name)
		}
	}
	theirs, err := mapsOf(pid, spec)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, m := range theirs {
			_ = m.Close()
		}
	}()
	loaded, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: theirs})
	if err != nil {
		return nil, fmt.Errorf("load stack.bpf.c: %w", err)
	}
	return loaded, nil
}

// mapsOf opens the maps of a process that a specification has, too.
func mapsOf(pid int, spec *ebpf.CollectionSpec) (map[string]*ebpf.Map, error) {
	objects, err := ownedBy(pid)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*ebpf.Map)
	for id := range objects.maps {
		m, err := ebpf.NewMapFromID(id)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("open map %d of leaktrace: %w", id, err)
		}
		info, err := m.Info()
		if err != nil {
			return nil, err
		}
		// Those that begin with a dot are a program's own constants and variables.
		if own, ok := spec.Maps[info.Name]; ok && info.Name[0] != '.' {
			own.MaxEntries = m.MaxEntries() // or it would be another map
			out[info.Name] = m
		} else {
			_ = m.Close()
		}
	}
	return out, nil
}
