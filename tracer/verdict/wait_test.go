package verdict

import (
	"math"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// waits is like watch for goroutines that all wait in one way, and are looked at every
// so many seconds.
func waits(lives []life, run, every float64, how tracer.GoroutineInfo) *History {
	h := New(start, seconds(10))
	var looked *tracer.Snapshot
	for at := 0.0; at <= run; at++ {
		if math.Mod(at, every) == 0 {
			looked = snapshotAt(tracer.Goroutine, lives, at)
			for i := range looked.Sites {
				for j := range looked.Sites[i].Outstanding {
					o := &looked.Sites[i].Outstanding[j]
					o.Owner, o.Goroutine = service, &how
				}
			}
		}
		h.Add(&tracer.Snapshot{
			Time: start.Add(seconds(at)), Sites: looked.Sites, Looked: looked.Time,
			Processes: []tracer.ProcessActivity{{Process: service}},
		})
	}
	return h
}

// service is whose goroutines wait.
var service = tracer.Process{PID: 7, Start: 7}

func TestGoroutines(t *testing.T) {
	const first = 1
	receive := tracer.GoroutineInfo{Parent: first, Reason: "chan receive"}
	nilChannel := tracer.GoroutineInfo{Parent: first, Reason: "chan receive (nil chan)", Forever: true}
	noCases := tracer.GoroutineInfo{Parent: first, Reason: "select (no cases)", Forever: true}
	byAnother := noCases
	byAnother.Parent = 7
	reading := tracer.GoroutineInfo{Parent: first, Reason: "IO wait", IO: true}
	unreachable := receive
	unreachable.Unreachable = 2
	growing := rate(0, 300, 1, 1e6)
	for _, test := range []struct {
		name  string
		lives []life
		how   tracer.GoroutineInfo
		run   float64
		want  State
	}{
		{"one more each second", growing, receive, 300, Leaking},
		{"one more each second, which read", growing, reading, 300, Suspect},
		{"a pool", pool(50, 1), receive, 300, Steady},
		{"a pool older than tracing", pool(50, -100), receive, 300, Steady},
		{"that go on after a second", rate(0, 300, 10, 1), receive, 300, Steady},
		{"a nil channel", pool(1, 1), nilChannel, 30, Leaking},
		{"a nil channel, older than tracing", pool(1, -5), nilChannel, 30, Leaking},
		{"a nil channel, for now", pool(1, 25), nilChannel, 30, Steady},
		{"unreachable", pool(1, 1), unreachable, 30, Leaking},
		{"unreachable, older than tracing", pool(1, -5), unreachable, 30, Leaking},
		{"unreachable, for now", pool(1, 25), unreachable, 30, Steady},
		{"no cases, to keep the program alive", pool(1, 1), noCases, 30, Steady},
		{"no cases, twice", pool(2, 1), noCases, 30, Leaking},
		{"no cases, not of main", pool(1, 1), byAnother, 30, Leaking},
	} {
		t.Run(test.name, func(t *testing.T) {
			sites := waits(test.lives, test.run, 1, test.how).Sites()
			if len(sites) != 1 || sites[0].State != test.want {
				t.Errorf("got %+v, want %s", judgements(sites), test.want)
			}
		})
	}
}

// TestRareLooks has twenty snapshots for each look at goroutines. That nothing changes
// in between says nothing.
func TestRareLooks(t *testing.T) {
	const every = 20
	receive := tracer.GoroutineInfo{Reason: "chan receive"}
	for _, test := range []struct {
		name  string
		lives []life
		run   float64
		want  State
	}{
		{"one more each second", rate(0, 1200, 1, 1e6), 1200, Leaking},
		{"one more each second, long after the last look", rate(0, 1200, 1, 1e6), 1219, Leaking},
		{"two more for each look", rate(0, 2400, 0.1, 1e6), 2400, Leaking},
		{"one more each second, until ten minutes ago", rate(0, 600, 1, 1e6), 1200, Steady},
		{"a pool", pool(50, 1), 1200, Steady},
		{"a pool, in three looks", pool(50, 1), 59, Unknown},
		{"one more each second, in three looks", rate(0, 1200, 1, 1e6), 59, Unknown},
		{"that go on before the next look", rate(0, 1200, 10, every-1), 1200, Steady},
	} {
		t.Run(test.name, func(t *testing.T) {
			sites := waits(test.lives, test.run, every, receive).Sites()
			if len(sites) != 1 || sites[0].State != test.want {
				t.Errorf("got %+v, want %s", judgements(sites), test.want)
			}
		})
	}
}

// TestBetweenLooks has a verdict be that of the last look until the next, or until the
// process ends.
func TestBetweenLooks(t *testing.T) {
	h := waits(rate(0, 1200, 1, 1e6), 1219, 20, tracer.GoroutineInfo{Reason: "chan receive"})
	lone := h.Sites()
	other := tracer.ProcessActivity{Process: tracer.Process{PID: 8, Start: 8}}
	alive := []tracer.ProcessActivity{{Process: service}, other}
	look := start.Add(seconds(1200))
	h.Add(&tracer.Snapshot{Time: start.Add(seconds(1221)), Looked: look, Processes: alive, Sites: []tracer.Site{lone[0].Site}})
	if diff := gocmp.Diff(lone, h.Sites()); diff != "" {
		t.Errorf("another second: (-want +got)\n%s", diff)
	}
	if got := lone[0]; !got.Seen.Equal(look) || got.Oldest != seconds(1199.5) {
		t.Errorf("seen %s, oldest %s", got.Seen, got.Oldest)
	}
	h.Add(&tracer.Snapshot{Time: start.Add(seconds(1222)), Looked: look, Processes: alive[1:]})
	lone[0].Ended = true
	if diff := gocmp.Diff(lone, h.Sites()); diff != "" {
		t.Errorf("the process has ended: (-want +got)\n%s", diff)
	}
}

// TestDeathsBetweenLooks has one of many processes end in each second, and rare looks:
// what is left is known at once, and no more looks were taken for it.
func TestDeathsBetweenLooks(t *testing.T) {
	const every, looks = 20, 4 // seconds, as in dyingAt
	h := New(start, seconds(15))
	for at := range looks * every {
		look := at / every
		h.Add(dyingAt(at, look, (look+1)*every))
		r := h.goroutines.records[key{tracer.Goroutine, "f"}]
		if n := h.goroutines.axis.snapshots(); n != look+1 || len(r.points) != n {
			t.Fatalf("%d looks and %d points, not %d", n, len(r.points), look+1)
		}
		if empty := h.goroutines.records[key{tracer.Goroutine, "once"}].empty; empty != look {
			t.Fatalf("nothing was seen in %d looks, not %d", empty, look)
		}
		left := uint32(2 + (look+1)*every - at)
		all := foldAll(r.points)
		want := point{low: all.low, high: all.high, last: left, released: uint32(at), survivors: all.survivors}
		want.died[0] = uint32(2 * (look / 2))
		if diff := gocmp.Diff(stretch{&want, deeds{uint32(at)}}, all, gocmp.AllowUnexported(point{}, stretch{})); diff != "" {
			t.Fatalf("after %d s: (-want +got)\n%s", at, diff)
		}
	}
	if sites := h.Sites(); len(sites) != 2 || sites[0].State != Unknown {
		t.Errorf("got %+v, want %s", judgements(sites), Unknown)
	}
}

// dyingAt is a snapshot after so many seconds, when the two goroutines of the service are
// others in each second look, and one of each process from at to last is left.
func dyingAt(at, look, last int) *tracer.Snapshot {
	looked, began := start.Add(seconds(float64(20*look))), start.Add(seconds(float64(40*(look/2))))
	site := tracer.Site{Kind: tracer.Goroutine, Fingerprint: "f", Released: uint64(at)}
	s := &tracer.Snapshot{Time: start.Add(seconds(float64(at))), Looked: looked}
	wait := func(owner tracer.Process, id int) {
		site.Outstanding = append(site.Outstanding, tracer.Object{
			Kind: tracer.Goroutine, ID: id, Created: began, Since: began, Owner: owner, Goroutine: new(tracer.GoroutineInfo),
		})
	}
	s.Processes = append(s.Processes, tracer.ProcessActivity{Process: service, Activity: tracer.Activity{Accepted: uint64(at)}})
	wait(service, look/2)
	wait(service, -1-look/2)
	for pid := 100 + at; pid < 100+last; pid++ {
		child := tracer.Process{PID: pid, Start: uint64(pid)}
		s.Processes = append(s.Processes, tracer.ProcessActivity{Process: child})
		wait(child, pid)
	}
	once := tracer.Site{Kind: tracer.Goroutine, Fingerprint: "once"}
	if look == 0 {
		once.Outstanding = site.Outstanding[:1]
	}
	s.Sites = []tracer.Site{site, once}
	return s
}

// TestUnreachable checks what is said of goroutines some of which are unreachable.
func TestUnreachable(t *testing.T) {
	for _, test := range []struct {
		name   string
		lives  []life
		scans  []int // of each goroutine by turns
		run    float64
		want   Unreachable
		reason string
	}{
		{"all", pool(4, 1), []int{2}, 30, Unreachable{4, 2}, "4 of 4 goroutines unreachable in the last 2 scans: nothing in the program leads to what they wait for"},
		{"some", pool(4, 1), []int{0, 2}, 30, Unreachable{2, 2}, "2 of 4 goroutines unreachable in the last 2 scans: nothing in the program leads to what they wait for"},
		{"for long, and not for long", pool(4, 1), []int{8, 4}, 30, Unreachable{4, 4}, "4 of 4 goroutines unreachable in the last 4 scans: nothing in the program leads to what they wait for"},
		{"none", pool(4, 1), []int{0}, 30, Unreachable{}, "settled at 4"},
		{
			"of a site that grows", rate(0, 300, 1, 1e6), []int{2}, 300, Unreachable{290, 2},
			"grew from 0 to 300 in 4m45s and did not stop; 290 of 300 goroutines unreachable in the last 2 scans: nothing in the program leads to what they wait for",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := New(start, seconds(10))
			for at := 0.0; at <= test.run; at++ {
				s := snapshotAt(tracer.Goroutine, test.lives, at)
				for i := range s.Sites {
					for j := range s.Sites[i].Outstanding {
						s.Sites[i].Outstanding[j].Goroutine = &tracer.GoroutineInfo{Parent: 1, Reason: "chan receive", Unreachable: test.scans[j%len(test.scans)]}
					}
				}
				h.Add(s)
			}
			site := h.Sites()[0]
			if diff := gocmp.Diff(test.want, site.Unreachable); diff != "" {
				t.Error(diff)
			}
			if site.Reason != test.reason {
				t.Errorf("%q, not %q", site.Reason, test.reason)
			}
			if accused := site.State == Leaking && site.Assumed == ""; accused != (test.want.Goroutines > 0) {
				t.Errorf("%s, assuming %q", site.State, site.Assumed)
			}
		})
	}
}

// TestGoThreads has the runtime of Go start one more thread each second.
func TestGoThreads(t *testing.T) {
	h := New(start, seconds(10))
	for at := 0.0; at <= 300; at++ {
		s := snapshotAt(tracer.Thread, rate(0, 300, 1, 1e6), at)
		for i := range s.Sites {
			s.Sites[i].Group = tracer.GoThreads
		}
		h.Add(s)
	}
	if sites := h.Sites(); len(sites) != 1 || sites[0].State != Suspect {
		t.Errorf("got %+v, want %s", judgements(sites), Suspect)
	}
}
