package main

import (
	"errors"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// seldom is how many runs a cost must be the mean of.
const seldom = 200

// measurePrograms measures each program in the loops that run it. Statistics
// add some 20 to 40 ns to each run, so that they are on for this table alone.
func (b *bench) measurePrograms() error {
	b.progress("each BPF program")
	return underTrace(func(p *program, pid int) error {
		statistics, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
		if err != nil {
			return err
		}
		return errors.Join(b.programsOfLoops(p, pid), statistics.Close())
	})
}

func (b *bench) programsOfLoops(p *program, pid int) error {
	perRun := make(map[string]map[string][]float64) // by program and loop
	perOperation := make(map[string][]float64)
	for _, loop := range loops[:4] {
		n, err := p.count(loop, 5*passTime)
		if err != nil {
			return err
		}
		for range b.rounds(9, 5) {
			costs, err := during(pid, func() error { _, err := p.run(loop, n); return err })
			if err != nil {
				return err
			}
			sum := uint64(0)
			for id, c := range costs {
				sum += c.ns
				if c.runs < seldom {
					continue
				}
				name, err := programName(id)
				if err != nil {
					return err
				}
				if perRun[name] == nil {
					perRun[name] = make(map[string][]float64)
				}
				perRun[name][loop] = append(perRun[name][loop], float64(c.ns)/float64(c.runs))
			}
			perOperation[loop] = append(perOperation[loop], float64(sum)/float64(n))
		}
	}
	for _, loop := range loops[:4] {
		b.add("programs", "all, for one operation", loop, "ns", perOperation[loop])
	}
	for _, name := range slices.Sorted(maps.Keys(perRun)) {
		for _, loop := range loops[:4] {
			b.add("programs", name, loop, "ns", perRun[name][loop])
		}
	}
	return nil
}

// during is what each hook of a process cost while something went on.
func during(pid int, what func() error) (map[ebpf.ProgramID]cost, error) {
	before, err := ownedBy(pid)
	if err != nil {
		return nil, err
	}
	if err := what(); err != nil {
		return nil, err
	}
	after, err := ownedBy(pid)
	if err != nil {
		return nil, err
	}
	costs := after.hooked()
	for id, c := range costs {
		was := before.programs[id]
		costs[id] = cost{c.runs - was.runs, c.ns - was.ns}
	}
	return costs, nil
}
