package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// program is a process that lives for a while and holds objects at a site.
type program struct {
	pid       int
	born, end float64
	site      string
	kind      tracer.Kind
	lives     []life
}

// act shows programs to a history once a second. What a program holds goes with
// it. The tracer does not see programs with a negative pid, but their objects.
func act(run float64, programs ...program) *History {
	return show(New(start, seconds(10)), run, programs...)
}

func show(h *History, run float64, programs ...program) *History {
	for at := 0.0; at <= run; at++ {
		s := &tracer.Snapshot{Time: start.Add(seconds(at))}
		for n, p := range programs {
			if at < p.born || at >= p.end {
				continue
			}
			owner := tracer.Process{PID: max(p.pid, -p.pid), Start: uint64(n + 1)}
			if p.pid > 0 {
				s.Processes = append(s.Processes, tracer.ProcessActivity{Process: owner})
			}
			for _, site := range snapshotAt(p.kind, p.lives, at).Sites {
				site.Fingerprint = p.site
				for i := range site.Outstanding {
					site.Outstanding[i].ID += 1000 * n
					site.Outstanding[i].Owner = owner
				}
				s.Sites = append(s.Sites, site)
			}
		}
		h.Add(s)
	}
	return h
}

// Of what is watched for good nothing is left of a process that ended, and its
// site begins anew with the next.
func TestWatchForgetsProcessesThatEnd(t *testing.T) {
	first := program{1, 0, 60, "site", tracer.Zombie, rate(0, 60, 0.5, forever)}
	if sites := show(NewWatch(start, seconds(10)), 59, first).Sites(); len(sites) != 1 || sites[0].State != Leaking {
		t.Fatalf("before it ends: %+v, want one leaking site", sites)
	}
	if sites := show(NewWatch(start, seconds(10)), 70, first).Sites(); len(sites) != 0 {
		t.Errorf("after it ended: %+v, want none", sites)
	}
	next := program{2, 62, forever, "site", tracer.Zombie, pool(1, 65)}
	sites := show(NewWatch(start, seconds(10)), 70, first, next).Sites()
	if len(sites) != 1 || sites[0].State == Leaking || len(sites[0].Outstanding) != 1 {
		t.Errorf("of the next process: %+v, want one object that is not accused yet", sites)
	}
}

func TestProcessesThatEnd(t *testing.T) {
	type verdict struct {
		Site        string
		State       State
		Ended       bool
		Seen        float64 // seconds after the first snapshot
		Outstanding int
		Reason      string
	}
	const th, dead = tracer.Thread, tracer.Zombie
	mainly := program{1, 0, forever, "main", th, pool(2, 0)}
	tests := map[string]struct {
		run      float64
		programs []program
		want     []verdict
	}{
		"leaked and ended a minute before": {2 * minute, []program{mainly, {2, 5, minute, "test", dead, rate(5, minute, 0.2, forever)}}, []verdict{
			{"test", Leaking, true, 59, 11, "9 of 11 not reaped for 10s or longer"},
			{"main", Steady, false, 120, 2, "stays at 2"},
		}},
		"threads leaked until the end": {2 * minute, []program{mainly, {2, 0, 80, "test", th, rate(0, 80, 0.5, forever)}}, []verdict{
			{"test", Leaking, true, 79, 40, "grew from 0 to 40 in 1m16s and did not stop"},
			{"main", Steady, false, 120, 2, "stays at 2"},
		}},
		"steady and ended": {2 * minute, []program{mainly, {2, 5, minute, "test", th, pool(8, 6)}}, []verdict{
			{"main", Steady, false, 120, 2, "stays at 2"},
		}},
		"too young when it ended": {2 * minute, []program{mainly, {2, 50, 55, "test", dead, pool(8, 51)}}, []verdict{
			{"main", Steady, false, 120, 2, "stays at 2"},
		}},
		"nothing left": {minute + 5, []program{{1, 0, minute, "main", th, pool(2, 0)}, {2, 0, minute, "test", dead, pool(3, 55)}}, []verdict{
			{"test", Steady, true, 59, 3, "all younger than 10s"},
			{"main", Steady, true, 59, 2, "stays at 2"},
		}},
		"main ends before its child, which leaks": {2 * minute, []program{{1, 0, minute, "main", th, pool(2, 0)}, {2, 0, forever, "test", dead, pool(3, 55)}}, []verdict{
			{"test", Leaking, false, 120, 3, "3 of 3 not reaped for 10s or longer"},
		}},
		"orphans of an untraced reaper": {minute, []program{{1, 0, 50, "main", th, pool(2, 0)}, {-7, 45, forever, "test", dead, pool(3, 48)}}, []verdict{
			{"test", Leaking, false, 60, 3, "3 of 3 not reaped for 10s or longer"},
			{"main", Steady, true, 49, 2, "stays at 2"},
		}},
		"orphans at the site of the ended": {minute, []program{{1, 0, 50, "test", dead, pool(2, 45)}, {-7, 45, forever, "test", dead, pool(3, 55)}}, []verdict{
			{"test", Steady, true, 49, 2, "all younger than 10s"},
		}},
		"restarted with a leak": {3 * minute, []program{mainly, {2, 0, 100, "test", th, rate(0, 100, 0.5, forever)}, {2, 101, forever, "test", th, rate(101, 3*minute, 0.5, forever)}}, []verdict{
			{"test", Leaking, false, 180, 39, "grew from 0 to 39 in 1m17s and did not stop"},
			{"main", Steady, false, 180, 2, "stays at 2"},
		}},
		"restarted without a leak": {4 * minute, []program{mainly, {2, 0, 100, "test", th, pool(8, 1)}, {2, 101, forever, "test", th, pool(8, 101)}}, []verdict{
			{"test", Steady, false, 240, 8, "settled at 8"},
			{"main", Steady, false, 240, 2, "stays at 2"},
		}},
		"leaked, ended, and the next is fine": {4 * minute, []program{mainly, {2, 0, 100, "test", th, rate(0, 100, 0.5, forever)}, {3, 101, forever, "test", th, pool(8, 101)}}, []verdict{
			{"test", Leaking, true, 99, 50, "grew from 0 to 50 in 1m36s and did not stop"},
			{"main", Steady, false, 240, 2, "stays at 2"},
		}},
		"two at one site, the leaking one ends": {3 * minute, []program{{1, 0, forever, "same", th, pool(8, 0)}, {2, 0, 100, "same", th, rate(0, 100, 0.5, forever)}}, []verdict{
			{"same", Leaking, true, 99, 58, "grew from 8 to 58 in 1m36s and did not stop"},
		}},
		"two at one site, the other ends": {2 * minute, []program{{1, 0, 100, "same", th, pool(8, 0)}, {2, 0, forever, "same", dead, pool(1, 5)}}, []verdict{
			{"same", Leaking, false, 120, 1, "1 of 1 not reaped for 10s or longer"},
		}},
		"a new process every second": {2 * minute, append(shortLived(120, 0.9), mainly), []verdict{
			{"main", Steady, false, 120, 2, "stays at 2"},
		}},
		"workers replaced one by one": {10 * minute, append(shortLived(700, 20), mainly), []verdict{
			{"short", Steady, false, 600, 20, "settled at 20"},
			{"main", Steady, false, 600, 2, "stays at 2"},
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []verdict
			for _, s := range act(tt.run, tt.programs...).Sites() {
				got = append(got, verdict{s.Fingerprint, s.State, s.Ended, s.Seen.Sub(start).Seconds(), len(s.Outstanding), s.Reason})
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A worker is to blame for the zombies it left behind, and pid 1 is not, however long
// that takes to reap them and whatever ends meanwhile.
func TestReaperOfWhatIsLeftBehind(t *testing.T) {
	pid1, main, jit := tracer.Process{PID: 1}, tracer.Process{PID: 1000}, tracer.Process{PID: 1001}
	h := New(start, seconds(10))
	show := func(from, to int, reaper tracer.Process, alive ...tracer.Process) {
		for at := from; at < to; at++ {
			s := snapshotAt(tracer.Zombie, pool(3, 0), float64(at))
			for i := range s.Sites[0].Outstanding {
				o := &s.Sites[0].Outstanding[i]
				o.Owner, o.Zombie = jit, &tracer.ZombieInfo{Reaper: reaper}
			}
			for _, p := range alive {
				s.Processes = append(s.Processes, tracer.ProcessActivity{Process: p})
			}
			h.Add(s)
		}
	}
	check := func(when string) {
		t.Helper()
		sites := h.Sites()
		if len(sites) != 1 || sites[0].State != Leaking || !sites[0].Ended {
			t.Fatalf("%s: %+v", when, sites)
		}
		if got := sites[0].Outstanding[0].Zombie.Reaper; got != jit {
			t.Errorf("%s: were to be reaped by pid %d", when, got.PID)
		}
	}
	show(0, 30, jit, jit, main)
	show(30, 33, pid1, main)
	check("the worker has ended")
	show(33, 36, pid1)
	check("all has ended")
}

// What a process takes with it before it is old was never judged.
func TestUnjudged(t *testing.T) {
	const th, dead = tracer.Thread, tracer.Zombie
	mainly := program{1, 0, forever, "main", th, pool(2, 0)}
	tests := map[string]struct {
		programs []program
		want     int
	}{
		"young":                       {[]program{mainly, {2, 50, 55, "test", dead, pool(8, 51)}}, 8},
		"young ones of two processes": {[]program{mainly, {2, 50, 55, "test", dead, pool(8, 51)}, {3, 20, 28, "test", dead, pool(1, 21)}}, 9},
		"young threads":               {[]program{mainly, {2, 50, 55, "test", th, pool(8, 51)}}, 0},
		"old":                         {[]program{mainly, {2, 30, 55, "test", dead, pool(8, 31)}}, 0},
		"old and young":               {[]program{mainly, {2, 30, 55, "test", dead, append(pool(8, 31), pool(3, 51)...)}}, 0},
		"given back":                  {[]program{mainly, {2, 30, 55, "test", dead, rate(31, 50, 1, 3)}}, 0},
		"held by one that lives on":   {[]program{mainly, {2, 0, 55, "test", th, pool(8, 1)}, {3, 0, forever, "test", dead, pool(3, 53)}}, 0},
		"of another site":             {[]program{mainly, {2, 30, 55, "old", dead, pool(8, 31)}, {2, 30, 55, "young", dead, pool(2, 51)}}, 2},
		"when the last process ended": {[]program{{1, 0, 55, "main", th, pool(2, 0)}, {2, 50, 55, "test", dead, pool(8, 51)}}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := act(minute, tt.programs...).Unjudged(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// shortLived is n processes, each with one thread, one beginning every second
// after tracing began and running for a while; the last is replaced for ever.
func shortLived(n int, lifetime float64) (out []program) {
	for i := range n {
		at := float64(i)
		out = append(out, program{100 + i, at, at + lifetime, "short", tracer.Thread, pool(1, at)})
	}
	return out
}

// What the kernel takes from a process that ends was not given back.
func TestEndOfProcessIsNoRelease(t *testing.T) {
	h := act(minute, program{1, 0, forever, "main", tracer.Thread, pool(1, 0)},
		program{2, 0, 30, "main", tracer.Thread, append(pool(8, 1), life{1, 20.5})})
	r := h.records[key{tracer.Thread, "main"}]
	if got := r.lives.total; got != 1 {
		t.Errorf("%d threads were seen to end, want 1", got)
	}
}

// Threads that no snapshot has shown are known by the counts alone; what the
// kernel counts when a process ends does not tell of usual lifetimes.
func TestUsual(t *testing.T) {
	main := tracer.ProcessActivity{Process: tracer.Process{PID: 1}}
	other := tracer.ProcessActivity{Process: tracer.Process{PID: 2}}
	h := New(start, seconds(10))
	for at := range 30 {
		s := snapshotAt(tracer.Thread, append(pool(1, 0), rate(0, 30, 5, 0.05)...), float64(at))
		s.Processes = []tracer.ProcessActivity{main, other}
		s.Sites[0].Outstanding[0].Owner = main.Process
		if at >= 20 {
			s.Processes = s.Processes[:1]
			s.Sites[0].Released += 1000
		}
		h.Add(s)
	}
	if got := h.Sites()[0].Usual; got != 500*time.Millisecond {
		t.Errorf("usual lifetime %v, want half an interval", got)
	}
	if got := h.records[key{tracer.Thread, "f"}].lives.total; got != 140 {
		t.Errorf("%d threads ended, want 140", got)
	}
}

func TestActivitySinceTheLastSnapshot(t *testing.T) {
	at := func(accepted ...uint64) (out []tracer.ProcessActivity) {
		for i, n := range accepted {
			out = append(out, tracer.ProcessActivity{Process: tracer.Process{PID: i}, Activity: tracer.Activity{Accepted: n}})
		}
		return out
	}
	first := processes{}.next(at(100))
	second := first.next(at(107, 3))
	third := second.next(at(5, 4))
	var got []uint64
	for _, p := range []processes{first, second, third} {
		got = append(got, p.did[process{0, 0}][0], p.did[process{1, 0}][0])
	}
	// What was done before tracing began is not counted, nor what shrinks.
	if diff := gocmp.Diff([]uint64{0, 0, 7, 3, 0, 1}, got); diff != "" {
		t.Error(diff)
	}
}

func TestKeptVerdictsAreBounded(t *testing.T) {
	var programs []program
	for i := range 2 * maxKept {
		programs = append(programs, program{i + 1, 0, 30, fmt.Sprint(i), tracer.Zombie, pool(1+i%7, 1)})
	}
	programs = append(programs, program{9999, 0, forever, "main", tracer.Thread, pool(1, 0)})
	sites := act(40, programs...).Sites()
	if len(sites) != maxKept+1 {
		t.Errorf("%d sites", len(sites))
	}
	least := slices.MinFunc(sites[:maxKept], func(a, b Site) int { return cmp.Compare(len(a.Outstanding), len(b.Outstanding)) })
	if len(least.Outstanding) < 4 {
		t.Errorf("kept one with %d outstanding rather than a worse one", len(least.Outstanding))
	}
}
