package tracer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// goTracer is a tracer of processes that wait at one site each, of one fingerprint.
type goTracer struct {
	*Tracer
	alive []ProcessActivity
}

// newGoTracer has the processes 1, 2 and so on of one image.
func newGoTracer(processes int) *goTracer {
	t := &goTracer{Tracer: &Tracer{
		goroutines: newGoroutines(), past: make(past), processes: make(map[int]*process),
		stacks: newStacks(nil, nil, &spaces{}), sizes: make(map[siteKey]int),
	}}
	t.goroutines.due = time.Now() // tests look themselves
	for pid := 1; pid <= processes; pid++ {
		t.processes[pid] = &process{pid: pid, space: &space{startStack: 1}}
		t.alive = append(t.alive, ProcessActivity{Process: Process{PID: pid}})
		t.goroutines.byProcess[processKey{pid: pid}] = newGoProcess(1, true)
	}
	return t
}

// goroutinesOf is what is known of a process.
func (t *goTracer) goroutinesOf(pid int) *goProcess {
	return t.goroutines.byProcess[processKey{pid: pid}]
}

// begin begins a look at a process, in which goroutines wait that began at an address.
func (t *goTracer) begin(pid int, start uint64, ids ...uint64) *goLook {
	p := t.goroutinesOf(pid)
	p.runtime = new(goroutine.Runtime)
	l := &goLook{tracer: t.Tracer, goProcess: p, space: &space{}, owner: Process{PID: pid}, most: maxGoroutines}
	p.looks++
	for _, id := range ids {
		t.see(l, id, start)
	}
	return l
}

// see has a look see a goroutine that waits.
func (t *goTracer) see(l *goLook, id, start uint64) {
	g := &goroutine.Goroutine{ID: id, Status: goroutine.Waiting, Start: start}
	var stack []uint64
	if l.wants(g) {
		stack = []uint64{start}
	}
	l.see(g, stack)
}

// look is a look at a process.
func (t *goTracer) look(pid int, start uint64, ids ...uint64) {
	t.begin(pid, start, ids...).finish(0, true)
}

// count is what a snapshot has of goroutines: created, released and outstanding.
func (t *goTracer) count() [3]uint64 {
	t.readGoroutines(t.alive, time.Time{})
	b := &builder{tracer: t.Tracer, sites: make(map[siteKey]*siteBuilder)}
	b.addGoroutines(t.alive)
	b.addPast()
	sum := [3]uint64{}
	for _, s := range b.finish() {
		sum[0], sum[1], sum[2] = sum[0]+s.Created, sum[1]+s.Released, sum[2]+uint64(len(s.Outstanding))
	}
	return sum
}

// TestGoroutinesOfTheDead has one of two processes end, and the other begin another
// image: no count falls, and what waited is released.
func TestGoroutinesOfTheDead(t *testing.T) {
	tr := newGoTracer(2)
	for range 2 {
		tr.look(1, 8, 2, 3, 4)
		tr.look(2, 8, 2, 3)
	}
	tr.look(1, 8, 2, 3)
	check := func(when string, want [3]uint64) {
		t.Helper()
		if diff := cmp.Diff(want, tr.count()); diff != "" {
			t.Errorf("%s: created, released, outstanding (-want +got)\n%s", when, diff)
		}
	}
	check("both", [3]uint64{5, 1, 4})
	tr.alive = tr.alive[1:]
	check("one has ended", [3]uint64{5, 3, 2})
	tr.look(2, 8, 2)
	check("the other goes on", [3]uint64{5, 4, 1})
	tr.processes[2].space = &space{startStack: 2}
	check("it has another image", [3]uint64{5, 5, 0})
	if p := tr.goroutinesOf(2); !p.young || len(p.known) > 0 {
		t.Errorf("of the other image is known %+v", p)
	}
	tr.alive = nil
	check("none is left", [3]uint64{5, 5, 0})
}

// TestGoroutinesOlderThanTracing are neither created nor released.
func TestGoroutinesOlderThanTracing(t *testing.T) {
	tr := newGoTracer(1)
	tr.goroutinesOf(1).young = false
	for _, ids := range [][]uint64{{2, 3}, {2, 3, 4}, {2, 3, 4}, {3}} {
		tr.look(1, 8, ids...)
	}
	if diff := cmp.Diff([3]uint64{1, 1, 1}, tr.count()); diff != "" {
		t.Errorf("created, released, outstanding (-want +got)\n%s", diff)
	}
}

// TestTooManySites has a thousand goroutines that began elsewhere than all sites that
// there may be: they are counted, take nothing of their own, and accuse none.
func TestTooManySites(t *testing.T) {
	const others = 1000
	tr := newGoTracer(1)
	look := func(first, last uint64) *goLook {
		l := tr.begin(1, 0)
		for id := first; id < last; id++ {
			tr.see(l, id, id)
		}
		l.finish(0, true)
		return l
	}
	const first = 2
	look(first, first+maxGoSites+others)
	for _, test := range []struct{ from, want uint64 }{{first, others}, {first, others}, {first + maxGoSites + 10, others - 10}} {
		p := look(test.from, first+maxGoSites+others)
		if len(p.starts) != maxGoSites || len(p.sites) != maxGoSites || p.omitted != int(test.want) {
			t.Fatalf("%d sites, %d of them listed, and %d goroutines omitted; want %d twice, and %d", len(p.starts), len(p.sites), p.omitted, maxGoSites, test.want)
		}
		if p.others.created+p.others.released != 0 || p.others.waiting != nil || p.others.left != nil {
			t.Fatalf("the site of all others is %+v", p.others)
		}
	}
	if diff := cmp.Diff([3]uint64{maxGoSites, maxGoSites, 0}, tr.count()); diff != "" {
		t.Errorf("created, released, outstanding (-want +got)\n%s", diff)
	}
}

// TestFailedLooks has looks fail: what they saw counts, and no more.
func TestFailedLooks(t *testing.T) {
	type look struct {
		ids    []uint64
		failed bool
	}
	for _, test := range []struct {
		name  string
		looks []look
		young bool
		want  [3]uint64
	}{
		{"the first, of which the rest is as old", []look{{[]uint64{2}, true}, {[]uint64{2, 3}, false}, {[]uint64{2, 3}, false}}, false, [3]uint64{0, 0, 2}},
		{"the second, of what goes on then", []look{{[]uint64{2, 3}, false}, {[]uint64{2}, true}, {nil, false}}, true, [3]uint64{1, 1, 0}},
		{"the third, which did not see all that wait", []look{{[]uint64{2, 3}, false}, {[]uint64{2, 3}, false}, {[]uint64{2}, true}}, true, [3]uint64{2, 0, 2}},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newGoTracer(1)
			tr.goroutinesOf(1).young = test.young
			for _, l := range test.looks {
				tr.begin(1, 8, l.ids...).finish(0, !l.failed)
			}
			if diff := cmp.Diff(test.want, tr.count()); diff != "" {
				t.Errorf("created, released, outstanding (-want +got)\n%s", diff)
			}
		})
	}
}

// TestUnreadableGoroutines has the memory of a process not come: what was seen last is shown
// as of then, however often it is asked for, also when another process is given up.
func TestUnreadableGoroutines(t *testing.T) {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := symbol.Open(exe, "test", "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = symbols.Close() }()
	tr := newGoTracer(2)
	tr.memory = &memory{hung: map[int]*hang{1: {times: 1}}}
	for pid, comm := range map[int]string{1: "service", 2: "broken"} {
		tr.processes[pid].comm = comm
		tr.processes[pid].space.mappings = []mapping{{file: &file{golang: true, symbols: symbols}}}
		for range 2 {
			tr.look(pid, 8, 2, 3)
		}
	}
	for range mostFailures {
		tr.goroutinesOf(2).fail("broken (pid 2)", errors.New("it is odd"), time.Now())
	}
	want := []string{
		"goroutines of broken (pid 2) are not read: it is odd",
		"goroutines of service (pid 1) could not be read the last time: the process's memory does not come",
	}
	for range 2 * mostFailures {
		tr.goroutinesOf(1).runtime = nil
		tr.lookAtAll(tr.alive, time.Now())
		if got := tr.count(); got != [3]uint64{4, 0, 4} || !tr.goroutines.looked.IsZero() {
			t.Errorf("%d created, released and outstanding, as of %s", got, tr.goroutines.looked)
		}
	}
	if diff := cmp.Diff(want, tr.goroutines.notes()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if p := tr.goroutinesOf(2); tr.goroutines.count() != 4 || p.known != nil || p.starts != nil || p.stacks != nil {
		t.Errorf("kept are %+v", p)
	}
	tr.look(1, 8, 2, 3)
	if diff := cmp.Diff(want[:1], tr.goroutines.notes()); diff != "" {
		t.Errorf("when it came: (-want +got)\n%s", diff)
	}
	tr.alive = nil
	tr.count()
	if diff := cmp.Diff(want[:1], tr.goroutines.notes()); diff != "" {
		t.Errorf("when they have ended: (-want +got)\n%s", diff)
	}
}

// TestFailures checks how many looks may fail, and that those do not count which came
// too early or before one that did not fail.
func TestFailures(t *testing.T) {
	other := errors.New("it is not as it should be")
	for _, test := range []struct {
		name   string
		read   bool
		after  time.Duration
		errs   []error // nil is a look that did not fail
		failed bool
	}{
		{"three in a row", false, 0, []error{other, other, other}, true},
		{"three, with one between them that did not fail", false, 0, []error{other, other, nil, other, other}, false},
		{"too early", false, earlyPatience / 2, slices.Repeat([]error{goroutine.ErrEarly}, 9), false},
		{"too early, for long", false, earlyPatience, slices.Repeat([]error{goroutine.ErrEarly}, 3), true},
		{"without a list that was there", true, 0, slices.Repeat([]error{goroutine.ErrEarly}, 3), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			tr := newGoTracer(1)
			p := tr.goroutinesOf(1)
			p.read, p.tried = test.read, time.Now()
			for _, err := range test.errs {
				if err == nil {
					tr.look(1, 8)
				} else {
					p.fail("service", err, p.tried.Add(test.after))
				}
			}
			if failed := p.over; failed != test.failed {
				t.Errorf("given up: %t", failed)
			}
		})
	}
}

// TestSlowMemory has memory not come, or that of others: nobody is given up for it.
func TestSlowMemory(t *testing.T) {
	p := newGoProcess(0, false)
	for range mostFailures {
		p.fail("service", errBusy, time.Now())
		p.fail("service", fmt.Errorf("read the list of goroutines: %w", errHung), time.Now())
	}
	if p.over || p.failures != 0 || p.err == nil {
		t.Errorf("%v after %d failures", p.err, p.failures)
	}
}
