package tests

import (
	"os/exec"
	"slices"
	"strconv"
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
// own (system calls and changes of its address space) when it is asked once in
// each second of the loop, and when it is asked without a pause.
func BenchmarkParked(b *testing.B) {
	p := newProgram(b, "parked")
	p.start((*exec.Cmd).Start)
	t, err := tracer.New(tracer.Options{Kinds: []tracer.Kind{tracer.Thread}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = t.Close() }()
	if err := t.Trace(p.pid); err != nil {
		b.Fatal(err)
	}
	p.send("go 1000")
	p.line()
	shot, err := t.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	objects := ofKind(shot, tracer.Thread)
	ask := func() float64 {
		begin := time.Now()
		if _, err := t.Parked(objects); err != nil {
			b.Error(err)
		}
		return time.Since(begin).Seconds() * 1000
	}
	b.ReportMetric(float64(len(objects)), "threads")
	b.ReportMetric(ask(), "ms/first")
	loop := parkedLoop(p)
	var later, once, always []float64
	for range rounds {
		base := loop(func(<-chan struct{}) {})
		once = append(once, loop(func(<-chan struct{}) { later = append(later, ask()) })/base)
		always = append(always, loop(func(done <-chan struct{}) {
			for len(done) == 0 {
				ask()
			}
		})/base)
	}
	b.ReportMetric(median(later), "ms/later")
	b.ReportMetric(median(once), "1-per-s/none")
	b.ReportMetric(median(always), "non-stop/none")
	b.ReportMetric(0, "ns/op")
}

// parkedLoop returns a loop of about a second in the main thread of
// programs/parked.c, during which another function runs.
func parkedLoop(p *program) func(meanwhile func(done <-chan struct{})) float64 {
	count := 1
	loop := func(meanwhile func(<-chan struct{})) float64 {
		p.send("loop " + strconv.Itoa(count))
		done := make(chan struct{}, 1)
		ended := make(chan struct{})
		go func() {
			meanwhile(done)
			close(ended)
		}()
		ns := decode[struct {
			NS float64 `json:"ns_per_op"`
		}](p).NS
		done <- struct{}{}
		<-ended
		return ns
	}
	count = 10000
	count = int(1e9 / loop(func(<-chan struct{}) {}))
	return loop
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
