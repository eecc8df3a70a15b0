package main

import (
	"errors"
	"time"
)

// goroutineTime is about how long the work of each window takes: long enough for
// leaktrace to read the goroutines, and all their stacks, for the first time.
const goroutineTime = 3 * time.Second

// measureGoroutines has a Go program with 100,000 goroutines that wait do fixed work
// beside them, untraced and traced in turn.
func (b *bench) measureGoroutines() error {
	p, err := startProgram(plain("busy-go"), "100000")
	if err != nil {
		return err
	}
	return errors.Join(b.compareGoroutines(p), p.end())
}

func (b *bench) compareGoroutines(p *program) error {
	const work = "work"
	n, err := p.count(work, goroutineTime)
	if err != nil {
		return err
	}
	var untraced, wall, cpu []float64
	for i := range b.rounds(30, 15) {
		b.progress("goroutines: round %d", i+1)
		var took [2]timing
		for j := range took {
			traced := (i + j) % 2
			if took[traced], err = p.window(work, n, traced == 1); err != nil {
				return err
			}
		}
		untraced = append(untraced, took[0].CPU)
		wall = append(wall, took[1].Wall/took[0].Wall)
		cpu = append(cpu, took[1].CPU/took[0].CPU)
	}
	const row = "channels, memory and maps"
	b.add("goroutines", row, "untraced, by processor time", "ns", untraced)
	b.add("goroutines", row, "leaktrace", "", wall)
	b.add("goroutines", row, "leaktrace, by processor time", "", cpu)
	return nil
}

// window makes n operations of a loop, traced or not.
func (p *program) window(loop string, n int, traced bool) (timing, error) {
	if !traced {
		return p.run(loop, n)
	}
	end, err := tracing(p.pid)()
	if err != nil {
		return timing{}, err
	}
	t, err := p.run(loop, n)
	return t, errors.Join(err, end())
}
