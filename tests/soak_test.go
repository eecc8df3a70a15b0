//go:build soak

package tests

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

var soakFor = flag.Duration("soak", 30*time.Minute, "how long TestSoak runs")

// soakPerSecond is how many of each kind are created and given back in a second.
const soakPerSecond = 2000

// soakForks is by how many programs children are created.
const soakForks = 2

// For half an hour programs create thousands of one kind in a second and leak a few
// of each, and another one starts processes that live for a moment. At the
// end every count is exact, exactly the leaks are outstanding, nothing was lost,
// and leaktrace needs no more memory than after the first minutes.
func TestSoak(t *testing.T) {
	seconds := int(soakFor.Seconds())
	rate := strconv.Itoa(soakPerSecond)
	command := fmt.Sprint("soak ", seconds)
	tests := map[string]*soaking{
		"threads":     soak(t, tracer.Options{}, command, "churn", rate, "0", "0", "0"),
		"connections": soak(t, tracer.Options{}, command, "churn", "0", "0", rate, "0"),
		"brood":       soak(t, tracer.Options{Follow: true}, fmt.Sprint("brood ", seconds), "churn", "0", "0", "0", "0"),
	}
	// One that forks waits most of the time for what it has forked.
	for i := range soakForks {
		tests[fmt.Sprint("children ", i+1)] = soak(t, tracer.Options{}, command, "churn", "0", strconv.Itoa(soakPerSecond/soakForks), "0", "0")
	}
	var samples []footprint
	began := time.Now()
	for s := range time.Tick(time.Second) {
		running := false
		for _, name := range slices.Sorted(maps.Keys(tests)) {
			running = tests[name].sample() || running
		}
		if n := int(s.Sub(began).Seconds()); n%10 == 0 {
			samples = append(samples, measure(t))
			t.Logf("%5d s  %v", n, samples[len(samples)-1])
		}
		if !running || t.Failed() {
			break
		}
	}
	for name, test := range tests {
		own := 0
		if name == "brood" {
			own = test.told.ChurnedChildren
		}
		test.exact(own)
	}
	checkFlat(t, samples)
}

// soaking is a session whose program is busy with one long command.
type soaking struct {
	*session
	history *verdict.History
	answer  chan string
	told    truth
	done    bool
}

func soak(t *testing.T, options tracer.Options, command, name string, args ...string) *soaking {
	t.Helper()
	s := &soaking{
		session: run(t, options, name, args...),
		history: verdict.New(time.Now(), 10*time.Second), answer: make(chan string, 1),
	}
	s.send(command)
	if err := s.stdout.SetReadDeadline(time.Time{}); err != nil {
		t.Fatalf("wait as long as it takes: %v", err)
	}
	go func() {
		line, _ := s.lines.ReadString('\n')
		s.answer <- line
	}()
	return s
}

// sample takes a snapshot as leaktrace does. It tells whether the program is busy.
func (s *soaking) sample() bool {
	s.t.Helper()
	select {
	case line := <-s.answer:
		s.told, s.done = parse[truth](s.program, line), true
	default:
	}
	s.history.Add(s.take())
	return !s.done
}

// take takes a snapshot in which nothing is lost. That a finished thread cannot
// be judged while its process ends is no loss.
func (s *soaking) take() *tracer.Snapshot {
	s.t.Helper()
	shot := s.lossySnapshot()
	for _, lost := range shot.Lost {
		if lost.Count != 0 && lost.Name != "finished_threads_unjudged" {
			s.t.Errorf("lost %s: %d\n%s", lost.Name, lost.Count, render(shot))
		}
	}
	return shot
}

// exact compares the sums of all sites of each kind with what the program says,
// and what is outstanding. own is how many processes it reaped besides.
func (s *soaking) exact(own int) {
	s.t.Helper()
	shot, told := s.take(), s.told
	sum := func(outstanding, more, given int) tally {
		return tally{outstanding, uint64(outstanding + more + given), uint64(more + given)}
	}
	leaks := told.Threads
	s.checkKinds(shot, told, map[tracer.Kind]tally{
		tracer.Thread:         sum(leaks, leaks, told.ChurnedThreads),
		tracer.UnjoinedThread: sum(leaks, 0, told.ChurnedThreads),
		tracer.Zombie:         sum(leaks, own, told.ChurnedChildren),
		tracer.CloseWait:      sum(leaks, 0, told.ChurnedConnections),
	})
	created := told.ChurnedThreads + told.ChurnedChildren + told.ChurnedConnections
	s.t.Logf("%d threads, %d children, %d connections, %.0f in a second; %d leaks of each kind; stacks %v",
		told.ChurnedThreads, told.ChurnedChildren, told.ChurnedConnections,
		float64(created)/soakFor.Seconds(), leaks, shot.StackQuality)
}

// footprint is what tracing needs at a moment: memory of this process, live and
// in all, and entries of the tracers' maps by name.
type footprint struct {
	heap, resident uint64
	entries        map[string]int
}

func (f footprint) String() string {
	return fmt.Sprintf("heap %.1f MiB, resident %.1f MiB, %v", mib(f.heap), mib(f.resident), f.entries)
}

func mib(n uint64) float64 { return float64(n) / (1 << 20) }

func measure(t *testing.T) footprint {
	t.Helper()
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseUint(strings.Fields(string(statm))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	f := footprint{m.HeapAlloc, pages * uint64(os.Getpagesize()), make(map[string]int)}
	for _, name := range []string{"stacks", "sites_even", "sites_odd"} {
		what, _, _ := strings.Cut(name, "_")
		for _, m := range kernelMaps(t, name) {
			f.entries[what] += entries(t, m)
			_ = m.Close()
		}
	}
	return f
}

// checkFlat compares the last third of a run with the second one.
func checkFlat(t *testing.T, samples []footprint) {
	t.Helper()
	third := len(samples) / 3
	if third == 0 {
		t.Fatalf("%d samples are too few", len(samples))
	}
	middle, end := samples[third:2*third], samples[2*third:]
	most := func(of []footprint, size func(footprint) uint64) uint64 {
		return size(slices.MaxFunc(of, func(a, b footprint) int { return int(size(a)) - int(size(b)) }))
	}
	for name, size := range map[string]func(footprint) uint64{
		"heap":     func(f footprint) uint64 { return f.heap },
		"resident": func(f footprint) uint64 { return f.resident },
	} {
		before, after := most(middle, size), most(end, size)
		if after > before+before/10+2<<20 {
			t.Errorf("%s has grown from %.1f to %.1f MiB", name, mib(before), mib(after))
		}
	}
	for name := range end[0].entries {
		size := func(f footprint) uint64 { return uint64(f.entries[name]) }
		if before, after := most(middle, size), most(end, size); after > before+before/2+50 {
			t.Errorf("%s has grown from %d to %d entries", name, before, after)
		}
	}
}
