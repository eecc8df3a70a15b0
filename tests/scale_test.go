package tests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

// crowds are the situations of programs/crowd.c that are measured: processes,
// sockets, threads and distinct stacks of each, and whether each process is an
// image of its own.
var crowds = []struct {
	name string
	args []string
}{
	{"one", []string{"1", "200", "200", "100"}},
	{"service", []string{"6", "16667", "5000", "5000"}},
	{"node", []string{"500", "140", "60", "20", "exec"}},
}

// BenchmarkScale is what a snapshot of a crowd takes, and what is lost of it.
// The tracer runs in the process of the test, whose memory is the tracer's and
// the little that the test needs.
func BenchmarkScale(b *testing.B) {
	for _, crowd := range crowds {
		b.Run(crowd.name, func(b *testing.B) { benchmarkScale(b, crowd.args) })
	}
}

func benchmarkScale(b *testing.B, args []string) {
	t, err := tracer.New(tracer.Options{Follow: true})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = t.Close() }()
	p := newProgram(b, "crowd", args...)
	p.start((*exec.Cmd).Start)
	p.do("start")
	if err := t.Trace(p.pid); err != nil {
		b.Fatal(err)
	}
	told := p.do("go")
	shot := func() (*tracer.Snapshot, float64, float64) {
		cpu, begin := ownCPU(b), time.Now()
		shot, err := t.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		return shot, time.Since(begin).Seconds() * 1000, (ownCPU(b) - cpu).Seconds() * 1000
	}
	_, first, _ := shot()
	b.ReportMetric(first, "ms/first")
	var wall, cpu []float64
	var last *tracer.Snapshot
	for range 9 {
		s, ms, own := shot()
		last, wall, cpu = s, append(wall, ms), append(cpu, own)
	}
	b.ReportMetric(median(wall), "ms/snapshot")
	b.ReportMetric(median(cpu), "cpu-ms/snapshot")
	b.ReportMetric(rssMiB(b), "MiB/rss")
	b.ReportMetric(mapMiB(b, os.Getpid()), "MiB/maps")
	b.ReportMetric(0, "ns/op")
	checkCrowd(b, last, told)
	p.end()
}

// checkCrowd checks that nothing is lost.
func checkCrowd(b *testing.B, shot *tracer.Snapshot, told truth) {
	b.Helper()
	count := make(map[tracer.Kind]int)
	for _, site := range shot.Sites {
		count[site.Kind] += len(site.Outstanding)
		if site.Stack.Quality != tracer.Complete {
			b.Errorf("a site's stack is %s", site.Stack.Quality)
		}
	}
	if count[tracer.CloseWait] != told.CloseWait || count[tracer.Thread] != told.Threads {
		b.Errorf("found %v, it says %+v", count, told)
	}
	for _, lost := range shot.Lost {
		if lost.Count > 0 {
			b.Errorf("lost %s: %d", lost.Name, lost.Count)
		}
	}
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

func ownCPU(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// rssMiB is the resident memory of this process.
func rssMiB(b *testing.B) float64 {
	b.Helper()
	var total, resident int
	text, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		_, err = fmt.Sscan(string(text), &total, &resident)
	}
	if err != nil {
		b.Fatal(err)
	}
	return float64(resident*os.Getpagesize()) / (1 << 20)
}

// mapMiB is what the kernel says that the BPF maps of a process take.
func mapMiB(b *testing.B, pid int) float64 {
	b.Helper()
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", pid))
	if err != nil {
		b.Fatal(err)
	}
	seen := make(map[string]bool)
	var bytes float64
	for _, path := range list {
		text, _ := os.ReadFile(path)
		var id, memlock string
		for line := range strings.Lines(string(text)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			switch name {
			case "map_id":
				id = value
			case "memlock":
				memlock = strings.TrimSpace(value)
			}
		}
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		var n float64
		if _, err := fmt.Sscan(memlock, &n); err != nil {
			b.Fatal(err)
		}
		bytes += n
	}
	return bytes / (1 << 20)
}
