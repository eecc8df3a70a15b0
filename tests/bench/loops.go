package main

import (
	"errors"
	"time"
)

// loops are the rows: the loops of tests/programs/bench.c.
var loops = []string{"thread", "fork", "tcp", "recv", "getppid", "stat"}

const (
	passTime = 60 * time.Millisecond
	passes   = 3
)

// mode is a way to run the loops: begin prepares it and returns what ends it.
type mode struct {
	name  string
	begin func() (end func() error, err error)
	// by runs the loops; the traced one, or a bystander.
	by *program
}

// measureLoops compares four modes in each round: untraced, with empty programs
// on the same hooks, traced, and untraced while another process is traced.
func (b *bench) measureLoops() error {
	traced, err := startProgram(plain("bench"))
	if err != nil {
		return err
	}
	bystander, err := startProgram(plain("bench"))
	if err != nil {
		return errors.Join(err, traced.end())
	}
	err = b.compareLoops(traced, bystander)
	return errors.Join(err, traced.end(), bystander.end())
}

func (b *bench) compareLoops(traced, bystander *program) error {
	empty, err := floorOf(traced.pid)
	if err != nil {
		return err
	}
	modes := []mode{
		{"untraced", func() (func() error, error) { return func() error { return nil }, nil }, traced},
		{"floor", empty.attach, traced},
		{"leaktrace", tracing(traced.pid), traced},
		{"another process", tracing(traced.pid), bystander},
	}
	counts, err := countLoops(traced)
	if err != nil {
		return errors.Join(err, empty.close())
	}
	var rounds []round
	for i := range b.rounds(30, 10) {
		b.progress("loops: round %d", i+1)
		r, err := runRound(modes, i, counts)
		if err != nil {
			return errors.Join(err, empty.close())
		}
		rounds = append(rounds, r)
	}
	b.addLoops(rounds)
	return empty.close()
}

// floorOf finds the hooks that leaktrace uses on this kernel.
func floorOf(pid int) (*floor, error) {
	c, err := trace(pid)
	if err != nil {
		return nil, err
	}
	objects, err := ownedBy(c.Process.Pid)
	if err := errors.Join(err, c.interrupt()); err != nil {
		return nil, err
	}
	hooks, err := objects.hooks()
	if err != nil {
		return nil, err
	}
	return newFloor(hooks)
}

// tracing attaches leaktrace to a process.
func tracing(pid int) func() (func() error, error) {
	return func() (func() error, error) {
		c, err := trace(pid)
		if err != nil {
			return nil, err
		}
		return c.interrupt, nil
	}
}

func countLoops(p *program) (map[string]int, error) {
	counts := make(map[string]int)
	for _, loop := range loops {
		n, err := p.count(loop, passTime)
		if err != nil {
			return nil, err
		}
		counts[loop] = n
	}
	return counts, nil
}

// round is what each loop took in each mode: by mode and loop.
type round map[string]map[string]timing

// runRound runs all modes, beginning with another one in each round: what comes
// later finds a warmer or a busier machine.
func runRound(modes []mode, number int, counts map[string]int) (round, error) {
	r := make(round)
	for i := range modes {
		m := modes[(i+number)%len(modes)]
		end, err := m.begin()
		if err != nil {
			return nil, err
		}
		r[m.name], err = runLoops(m.by, counts)
		if err := errors.Join(err, end()); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// runLoops runs each loop a few times, in turn, after a first short one that is
// not counted: it shows a tracer the stacks.
func runLoops(p *program, counts map[string]int) (map[string]timing, error) {
	out := make(map[string]timing)
	for pass := range passes + 1 {
		for _, loop := range loops {
			n := counts[loop]
			if pass == 0 {
				n = n/10 + 1
			}
			t, err := p.run(loop, n)
			if err != nil {
				return nil, err
			}
			if pass > 0 {
				sum := out[loop]
				out[loop] = timing{sum.Wall + t.Wall/passes, sum.CPU + t.CPU/passes}
			}
		}
	}
	return out, nil
}

func (b *bench) addLoops(rounds []round) {
	for _, loop := range loops {
		b.add("loops", loop, "untraced", "ns", each(rounds, func(r round) float64 { return r["untraced"][loop].Wall }))
		for _, mode := range []string{"floor", "leaktrace", "another process"} {
			b.add("loops", loop, mode, "", each(rounds, func(r round) float64 {
				return r[mode][loop].Wall / r["untraced"][loop].Wall
			}))
		}
		for _, mode := range []string{"floor", "leaktrace"} {
			b.add("loops", loop, mode+", by processor time", "", each(rounds, func(r round) float64 {
				return r[mode][loop].CPU / r["untraced"][loop].CPU
			}))
		}
	}
}

func each[T any](of []T, value func(T) float64) []float64 {
	var out []float64
	for _, one := range of {
		out = append(out, value(one))
	}
	return out
}
