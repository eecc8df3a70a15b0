package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// mix is what is created in each tick: 5,000 threads, 1,000 children and 4,000
// sockets a second. An operation of tcp creates two sockets, and accepts one.
var mix = []struct {
	loop         string
	n, creations int
}{
	{"thread", 100, 100},
	{"fork", 20, 20},
	{"tcp", 40, 80},
}

const tick = 20 * time.Millisecond

// usage is what leaktrace used while something went on, in % of a processor.
type usage struct {
	process, kernel float64
	// rate is how many creations a second there were.
	rate float64
}

// measureOwn measures what leaktrace itself takes.
func (b *bench) measureOwn() error {
	b.progress("leaktrace itself")
	return underTrace(func(p *program, pid int) error {
		return errors.Join(b.measureCPU(p, pid), b.measureMemory(pid))
	})
}

func (b *bench) measureCPU(p *program, pid int) error {
	var busy, rest []usage
	for range b.rounds(8, 3) {
		u, err := using(pid, func() (int, error) { return create(p, 5*time.Second) })
		if err != nil {
			return err
		}
		busy = append(busy, u)
		if u, err = using(pid, func() (int, error) { return 0, wait(5 * time.Second) }); err != nil {
			return err
		}
		rest = append(rest, u)
	}
	process := func(u usage) float64 { return u.process }
	kernel := func(u usage) float64 { return u.kernel }
	rates := each(busy, func(u usage) float64 { return u.rate })
	row := "CPU at 10,000 creations/s"
	if slices.Min(rates) < 9500 {
		row = "CPU at fewer creations/s: the machine was too busy for 10,000"
	}
	b.add("own", row, "leaktrace", "%", each(busy, process))
	b.add("own", row, "its hooks, in the target", "%", each(busy, kernel))
	b.add("own", row, "creations", "/s", rates)
	b.add("own", "CPU at rest", "leaktrace", "%", each(rest, process))
	b.add("own", "CPU at rest", "its hooks, in the target", "%", each(rest, kernel))
	return nil
}

// using says what leaktrace uses while something goes on. The programs' time is
// the kernel's own account, whose making is part of it.
func using(pid int, during func() (int, error)) (usage, error) {
	statistics, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return usage{}, fmt.Errorf("turn on statistics of BPF programs: %w", err)
	}
	defer statistics.Close()
	cpuBefore, err1 := cpuTime(pid)
	before, err2 := ownedBy(pid)
	start := time.Now()
	created, err3 := during()
	took := time.Since(start)
	cpuAfter, err4 := cpuTime(pid)
	after, err5 := ownedBy(pid)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return usage{}, err
	}
	return usage{
		process: 100 * float64(cpuAfter-cpuBefore) / float64(took),
		kernel:  100 * float64(after.time()-before.time()) / float64(took),
		rate:    float64(created) / took.Seconds(),
	}, nil
}

// time is what all hooks have cost, in ns.
func (o *owned) time() uint64 {
	var sum uint64
	for _, c := range o.hooked() {
		sum += c.ns
	}
	return sum
}

// create creates at the rate of mix. A machine that is too slow for it falls
// behind, which the table shows.
func create(p *program, during time.Duration) (int, error) {
	created := 0
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for range int(during / tick) {
		<-ticker.C
		for _, part := range mix {
			if _, err := p.run(part.loop, part.n); err != nil {
				return created, err
			}
			created += part.creations
		}
	}
	return created, nil
}

func wait(during time.Duration) error {
	<-time.After(during)
	return nil
}

// measureMemory adds up what the process has in memory and what its maps have
// in the kernel. Pages of the ring buffer that it has looked at count twice.
func (b *bench) measureMemory(pid int) error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return fmt.Errorf("read memory of leaktrace: %w", err)
	}
	var kilobytes float64
	if _, err := fmt.Sscanf(fields(string(text))["Pss"], "%f kB", &kilobytes); err != nil {
		return fmt.Errorf("read memory of leaktrace: %w", err)
	}
	objects, err := ownedBy(pid)
	if err != nil {
		return err
	}
	const mega = 1 << 20
	process, maps := kilobytes*1024/mega, float64(objects.mapBytes())/mega
	b.add("own", "memory with kernel maps", "leaktrace", "MiB", []float64{process + maps})
	b.add("own", "memory of its process (PSS)", "leaktrace", "MiB", []float64{process})
	b.add("own", "memory of its kernel maps", "leaktrace", "MiB", []float64{maps})
	return nil
}
