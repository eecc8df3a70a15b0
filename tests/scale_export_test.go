package tests

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
)

// The node that BenchmarkExport watches: containers, and of each the processes and
// what crowd creates in one of them, every object by a stack of its own.
const (
	exportContainers = 50
	exportProcesses  = 10
	exportSockets    = 140
	exportThreads    = 60
)

// BenchmarkExport is what it takes to watch a node of 500 processes with 100,000
// objects of 10,000 sites, and to scrape that. Interval and age are the defaults but
// for the age, which is lower so that everything leaks.
func BenchmarkExport(b *testing.B) {
	root := mountCgroup(b, "cgroup2", "")
	crowd := make([]*program, exportContainers)
	for i := range crowd {
		crowd[i] = newNodeGroup(b, root).start(b, "crowd", fmt.Sprint(exportProcesses),
			fmt.Sprint(exportSockets), fmt.Sprint(exportThreads), fmt.Sprint(exportSockets))
		crowd[i].do("start")
	}
	config := filepath.Join(b.TempDir(), "leaktrace.yml")
	if err := os.WriteFile(config, []byte("min_age: 1s\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	e := startExporter(b, "--config", config, "--cgroup", "/leaktrace-node-*")
	e.await(`(?m)^leaktrace_traced_processes\{.*\} 5\d\d$`)
	for _, p := range crowd {
		p.do("go")
	}
	e.await(fmt.Sprintf(`(?m)^leaktrace_leaked_objects\{.*kind="close-wait".*\} %d$`, exportProcesses*exportSockets))
	e.measure(b)
	for _, p := range crowd {
		p.end()
	}
}

// await waits until a scrape shows something.
func (e *exporting) await(pattern string) {
	e.t.Helper()
	shows := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); !shows.Match(e.scrape()); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			e.t.Fatalf("waited in vain for %s\n%s", pattern, e.log)
		}
	}
}

// scrape is /metrics, empty as long as there is none.
func (e *exporting) scrape() []byte {
	e.t.Helper()
	response, err := http.Get(e.url + "/metrics")
	if err != nil {
		return nil
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return body
}

// measure reports scrapes, snapshots, processor time and memory, once all is quiet:
// of what is resident the median, since a snapshot needs more for a moment.
func (e *exporting) measure(b *testing.B) {
	const intervals, interval = 6, 10 * time.Second
	before := e.cpu(b)
	began := time.Now()
	var resident []float64
	for range intervals * interval / time.Second {
		<-time.After(time.Second) // what is measured is time
		resident = append(resident, e.memory(b).rss)
	}
	percent := 100 * (e.cpu(b) - before) / time.Since(began).Seconds()
	var scrapes []float64
	var text []byte
	for range 9 {
		began := time.Now()
		text = e.scrape()
		scrapes = append(scrapes, time.Since(began).Seconds()*1000)
	}
	series := 0
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("leaktrace_")) {
			series++
		}
	}
	b.ReportMetric(percent, "%cpu")
	b.ReportMetric(median(scrapes), "ms/scrape")
	b.ReportMetric(float64(len(text))/1024, "KiB/scrape")
	b.ReportMetric(float64(series), "series")
	b.ReportMetric(median(resident), "MiB/rss")
	b.ReportMetric(e.memory(b).peak, "MiB/peak")
	b.ReportMetric(mapMiB(b, e.cmd.Process.Pid), "MiB/maps")
	b.ReportMetric(0, "ns/op")
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "leaktrace_lost_total") && !strings.HasSuffix(line, "} 0\n") ||
			strings.HasPrefix(line, "leaktrace_refused_total") && !strings.HasSuffix(line, "} 0\n") ||
			strings.HasPrefix(line, "leaktrace_snapshot_duration_seconds_sum") || strings.HasPrefix(line, "leaktrace_snapshot_duration_seconds_count") {
			b.Log(strings.TrimSpace(line))
		}
	}
}

func (e *exporting) proc(b *testing.B) procfs.Proc {
	b.Helper()
	proc, err := procfs.NewProc(e.cmd.Process.Pid)
	if err != nil {
		b.Fatal(err)
	}
	return proc
}

// memory is what is resident, and the most that ever was, in MiB.
func (e *exporting) memory(b *testing.B) (m struct{ rss, peak float64 }) {
	b.Helper()
	status, err := e.proc(b).NewStatus()
	if err != nil {
		b.Fatal(err)
	}
	m.rss, m.peak = float64(status.VmRSS)/(1<<20), float64(status.VmHWM)/(1<<20)
	return m
}

// cpu is the processor time of the exporter so far, in seconds.
func (e *exporting) cpu(b *testing.B) float64 {
	b.Helper()
	stat, err := e.proc(b).Stat()
	if err != nil {
		b.Fatal(err)
	}
	return stat.CPUTime()
}
