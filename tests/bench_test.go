package tests

import (
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

// rounds is how many pairs of untraced and traced runs a ratio is the median
// of. Machines are shared and noisy: only pairs close in time compare.
const rounds = 9

// benchmarks are the loops of programs/bench.c, of about 0.3 s each.
var benchmarks = []struct{ op, count string }{
	{"thread", "10000"},
	{"fork", "2000"},
	{"tcp", "8000"},
	{"recv", "60000"},
}

// BenchmarkOverhead compares tight loops with and without tracing: "traced" is
// the loop's own process, "others" a process that is not traced while another
// is. Both are ratios of time per operation.
func BenchmarkOverhead(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.op, func(b *testing.B) {
			p := newProgram(b, "bench", bench.op, bench.count)
			p.start((*exec.Cmd).Start)
			other := newProgram(b, "leaky-o2")
			other.start((*exec.Cmd).Start)
			loop := func() float64 {
				p.send("go")
				return decode[struct {
					NS float64 `json:"ns_per_op"`
				}](p).NS
			}
			loop()
			var plain, traced, others []float64
			for range rounds {
				base := loop()
				plain = append(plain, base)
				others = append(others, whileTraced(b, other.pid, loop)/base)
				traced = append(traced, whileTraced(b, p.pid, loop)/base)
			}
			b.ReportMetric(median(plain), "ns/untraced-op")
			b.ReportMetric(median(traced), "traced/untraced")
			b.ReportMetric(median(others), "others/untraced")
			b.ReportMetric(0, "ns/op") // says nothing here
		})
	}
}

// whileTraced runs a loop while a process is traced.
func whileTraced(b *testing.B, pid int, loop func() float64) float64 {
	b.Helper()
	t, err := tracer.New(tracer.Options{})
	if err != nil {
		b.Fatal(err)
	}
	if err := t.Trace(pid); err != nil {
		b.Fatal(err)
	}
	ns := loop()
	if err := t.Close(); err != nil {
		b.Fatal(err)
	}
	return ns
}

// BenchmarkPrograms is what each program costs by the kernel's own account
// (kernel.bpf_stats_enabled), in the loop that runs it most.
func BenchmarkPrograms(b *testing.B) {
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	for _, bench := range benchmarks {
		b.Run(bench.op, func(b *testing.B) {
			p := newProgram(b, "bench", bench.op, bench.count)
			p.start((*exec.Cmd).Start)
			t, err := tracer.New(tracer.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = t.Close() }()
			if err := t.Trace(p.pid); err != nil {
				b.Fatal(err)
			}
			before := costs(t)
			p.send("go")
			p.line()
			for name, after := range costs(t) {
				if runs := after.Runs - before[name].Runs; runs > 100 {
					b.ReportMetric(float64(after.Time-before[name].Time)/float64(runs), "ns/"+name)
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkParked asks where ten thousand threads are parked: how long that
// takes the first time and later, and how much it slows a loop of the target's
// own, asked once in each second of the loop and asked without a pause. The
// latter is compared with a tracer that only computes, which takes as much of
// the machine.
func BenchmarkParked(b *testing.B) {
	for _, work := range []string{"call", "remap"} {
		b.Run(work, func(b *testing.B) {
			ask := askParked(b)
			first := ask.time()
			b.ReportMetric(first, "ms/first")
			var later, once, always []float64
			for range rounds {
				idle := ask.loop(work, func(<-chan struct{}) {})
				once = append(once, ask.loop(work, func(<-chan struct{}) { later = append(later, ask.time()) })/idle)
				busy := ask.loop(work, func(done <-chan struct{}) {
					for len(done) == 0 {
					}
				})
				always = append(always, ask.loop(work, func(done <-chan struct{}) {
					for len(done) == 0 {
						ask.time()
					}
				})/busy)
			}
			b.ReportMetric(median(later), "ms/later")
			b.ReportMetric(median(once), "once/idle")
			b.ReportMetric(median(always), "always/busy")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// parkedBench is a tracer and ten thousand parked threads.
type parkedBench struct {
	*program
	tracer  *tracer.Tracer
	threads []tracer.Object
	count   int // operations of about a second
}

func askParked(b *testing.B) *parkedBench {
	b.Helper()
	p := newProgram(b, "parked")
	p.start((*exec.Cmd).Start)
	t, err := tracer.New(tracer.Options{Kinds: []tracer.Kind{tracer.Thread}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = t.Close() })
	if err := t.Trace(p.pid); err != nil {
		b.Fatal(err)
	}
	p.send("go 1000")
	p.line()
	shot, err := t.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	return &parkedBench{program: p, tracer: t, threads: ofKind(shot, tracer.Thread)}
}

// time asks once, and returns the milliseconds it took.
func (p *parkedBench) time() float64 {
	begin := time.Now()
	if _, err := p.tracer.Parked(p.threads); err != nil {
		p.t.Error(err)
	}
	return time.Since(begin).Seconds() * 1000
}

// loop runs a loop of the target for about a second, and something meanwhile.
// It returns the nanoseconds of an operation.
func (p *parkedBench) loop(work string, meanwhile func(done <-chan struct{})) float64 {
	if p.count == 0 {
		p.count = 10000
		p.count = int(1e9 / p.loop(work, func(<-chan struct{}) {}))
	}
	p.send(work + " " + strconv.Itoa(p.count))
	done := make(chan struct{}, 1)
	var other sync.WaitGroup
	other.Go(func() { meanwhile(done) })
	ns := decode[struct {
		NS float64 `json:"ns_per_op"`
	}](p.program).NS
	done <- struct{}{}
	other.Wait()
	return ns
}

func costs(t *tracer.Tracer) map[string]tracer.Cost {
	out := make(map[string]tracer.Cost)
	for _, cost := range t.Costs() {
		out[cost.Program] = cost
	}
	return out
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
