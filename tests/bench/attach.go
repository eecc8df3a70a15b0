package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// leaktrace is the command that is measured: what a user runs.
const leaktrace = "build/leaktrace"

// trace runs leaktrace on a process, with a snapshot and a table a second, and
// returns when it has shown the first.
func trace(pid int, more ...string) (*command, error) {
	args := append([]string{"run", "--pid", strconv.Itoa(pid), "--interval", "1s", "--output", "/dev/null"}, more...)
	c, err := startCommand(leaktrace, args...)
	if err != nil {
		return nil, err
	}
	if err := c.await("\n"); err != nil {
		return nil, errors.Join(err, stop(c))
	}
	return c, nil
}

// underTrace measures something with the loops' program, which a leaktrace traces:
// pid is leaktrace's own.
func underTrace(measure func(p *program, pid int) error) error {
	p, err := startProgram(plain("bench"))
	if err != nil {
		return err
	}
	c, err := trace(p.pid)
	if err != nil {
		return errors.Join(err, p.end())
	}
	return errors.Join(measure(p, c.Process.Pid), c.interrupt(), p.end())
}

// floor is empty programs on the hooks that leaktrace uses: what no tracer that
// uses them can be cheaper than.
type floor struct{ programs []*ebpf.Program }

// newFloor loads a program for each hook.
func newFloor(hooks []hook) (*floor, error) {
	f := &floor{}
	for _, h := range hooks {
		program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Name: "floor", Type: ebpf.Tracing, AttachType: h.attach, AttachTo: h.function, License: "GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("load an empty program for %s: %w", h.function, err), f.close())
		}
		f.programs = append(f.programs, program)
	}
	return f, nil
}

// attach attaches all, and returns what detaches them.
func (f *floor) attach() (detach func() error, err error) {
	var links []link.Link
	detach = func() error {
		var errs []error
		for _, l := range links {
			errs = append(errs, l.Close())
		}
		return errors.Join(errs...)
	}
	for _, program := range f.programs {
		l, err := link.AttachTracing(link.TracingOptions{Program: program})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach an empty program: %w", err), detach())
		}
		links = append(links, l)
	}
	return detach, nil
}

func (f *floor) close() error {
	var errs []error
	for _, program := range f.programs {
		errs = append(errs, program.Close())
	}
	return errors.Join(errs...)
}
