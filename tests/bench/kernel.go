package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// hook is where a program of leaktrace is attached.
type hook struct {
	attach   ebpf.AttachType
	function string
}

// owned is what the kernel tells of the BPF objects a process holds open.
type owned struct {
	links    []map[string]string
	programs map[ebpf.ProgramID]cost
	maps     map[ebpf.MapID]uint64 // bytes of kernel memory
}

// cost is what a program has cost while statistics were on.
type cost struct{ runs, ns uint64 }

// ownedBy reads /proc/PID/fdinfo. Objects that have two descriptors count once.
func ownedBy(pid int) (*owned, error) {
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err == nil && len(paths) == 0 {
		err = os.ErrProcessDone
	}
	if err != nil {
		return nil, fmt.Errorf("read descriptors of process %d: %w", pid, err)
	}
	o := &owned{programs: make(map[ebpf.ProgramID]cost), maps: make(map[ebpf.MapID]uint64)}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // closed meanwhile
		}
		if err != nil {
			return nil, err
		}
		o.note(fields(string(text)))
	}
	return o, nil
}

func fields(text string) map[string]string {
	out := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		out[name] = strings.TrimSpace(value)
	}
	return out
}

func (o *owned) note(info map[string]string) {
	switch {
	case info["link_type"] != "":
		o.links = append(o.links, info)
	case info["map_type"] != "":
		o.maps[ebpf.MapID(number(info["map_id"]))] = number(info["memlock"])
	case info["prog_type"] != "":
		o.programs[ebpf.ProgramID(number(info["prog_id"]))] = cost{number(info["run_cnt"]), number(info["run_time_ns"])}
	}
}

// number is 0 for what is none: fields of fdinfo that a kernel lacks.
func number(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// hooked is the cost of the programs that run in the traced process. Iterators
// are left out: they run in leaktrace's own, as part of its reads.
func (o *owned) hooked() map[ebpf.ProgramID]cost {
	out := make(map[ebpf.ProgramID]cost)
	for _, info := range o.links {
		if info["link_type"] != "iter" {
			id := ebpf.ProgramID(number(info["prog_id"]))
			out[id] = o.programs[id]
		}
	}
	return out
}

// mapBytes is the kernel memory of all maps.
func (o *owned) mapBytes() uint64 {
	var sum uint64
	for _, bytes := range o.maps {
		sum += bytes
	}
	return sum
}

// hooks are the functions and tracepoints that links are attached to, without
// iterators, which run only when they are read.
func (o *owned) hooks() ([]hook, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, err
	}
	var hooks []hook
	for _, info := range o.links {
		switch info["link_type"] {
		case "raw_tracepoint": // of a program that knows its types, too
			hooks = append(hooks, hook{ebpf.AttachTraceRawTp, info["tp_name"]})
		case "tracing":
			t, err := kernel.TypeByID(btf.TypeID(number(info["target_btf_id"])))
			if err != nil {
				return nil, fmt.Errorf("find what a link is attached to: %w", err)
			}
			hooks = append(hooks, hook{ebpf.AttachType(number(info["attach_type"])), t.TypeName()})
		}
	}
	if len(hooks) == 0 {
		return nil, errors.New("leaktrace is attached to nothing")
	}
	return hooks, nil
}

// programName is the full name of a program's function: the kernel's own name
// for it is cut at 15 bytes.
func programName(id ebpf.ProgramID) (string, error) {
	program, err := ebpf.NewProgramFromID(id)
	if err != nil {
		return "", fmt.Errorf("open BPF program %d: %w", id, err)
	}
	defer func() { _ = program.Close() }()
	info, err := program.Info()
	if err != nil {
		return "", err
	}
	functions, err := info.FuncInfos()
	if err != nil || len(functions) == 0 {
		return info.Name, err
	}
	return functions[0].Func.Name, nil
}
