package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// parkedBench is ten thousand parked threads, and who asks where they are.
type parkedBench struct {
	*program
	tracer  *tracer.Tracer
	threads []tracer.Object
}

// measureParked asks where ten thousand threads are parked: how long that takes
// the first time and later, and how much it slows a loop of the target's own,
// asked once in each second of the loop and asked without a pause. The latter is
// compared with a tracer that only computes, which takes as much of the machine.
func (b *bench) measureParked() error {
	b.progress("ten thousand parked threads")
	p, err := startProgram(plain("parked"))
	if err != nil {
		return err
	}
	t, err := tracer.New(tracer.Options{Kinds: []tracer.Kind{tracer.Thread}})
	if err != nil {
		return errors.Join(err, p.end())
	}
	ask := &parkedBench{program: p, tracer: t}
	err = ask.prepare()
	if err == nil {
		err = b.askParked(ask)
	}
	return errors.Join(err, t.Close(), p.end())
}

// prepare parks the threads and finds them.
func (p *parkedBench) prepare() error {
	if err := p.tracer.Trace(p.pid); err != nil {
		return err
	}
	if _, err := p.run("go", 1000); err != nil {
		return err
	}
	shot, err := p.tracer.Snapshot()
	if err != nil {
		return err
	}
	for _, site := range shot.Sites {
		if site.Kind == tracer.Thread {
			p.threads = append(p.threads, site.Outstanding...)
		}
	}
	return nil
}

func (b *bench) askParked(p *parkedBench) error {
	first, err := p.ask()
	if err != nil {
		return err
	}
	b.add("parked", fmt.Sprintf("%d threads", len(p.threads)), "first", "ms", []float64{first})
	for _, work := range []string{"call", "remap"} {
		if err := b.askDuring(p, work); err != nil {
			return err
		}
	}
	return nil
}

// askDuring compares loops while nobody asks, and while somebody does.
func (b *bench) askDuring(p *parkedBench, work string) error {
	n, err := p.count(work, time.Second)
	if err != nil {
		return err
	}
	var later, once, always []float64
	for range b.rounds(5, 3) {
		idle, err1 := p.loop(work, n, func() error { return nil }, false)
		asked, err2 := p.loop(work, n, func() error {
			took, err := p.ask()
			later = append(later, took)
			return err
		}, false)
		busy, err3 := p.loop(work, n, func() error { return nil }, true)
		pressed, err4 := p.loop(work, n, func() error { _, err := p.ask(); return err }, true)
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return err
		}
		once, always = append(once, asked/idle), append(always, pressed/busy)
	}
	b.add("parked", "loop of "+work, "later", "ms", later)
	b.add("parked", "loop of "+work, "once a second", "", once)
	b.add("parked", "loop of "+work, "always", "", always)
	return nil
}

// ask asks once, and returns the milliseconds it took.
func (p *parkedBench) ask() (float64, error) {
	begin := time.Now()
	_, err := p.tracer.Parked(p.threads)
	return time.Since(begin).Seconds() * 1000, err
}

// loop runs a loop of the target for about a second and something meanwhile,
// once or until the loop ends. It returns the ns of an operation.
func (p *parkedBench) loop(work string, n int, meanwhile func() error, repeat bool) (float64, error) {
	var t timing
	ended := make(chan error, 1)
	go func() {
		var err error
		t, err = p.run(work, n)
		ended <- err
	}()
	err := meanwhile()
	for repeat && err == nil && len(ended) == 0 {
		err = meanwhile()
	}
	err = errors.Join(err, <-ended)
	return t.Wall, err
}
