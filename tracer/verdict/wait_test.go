package verdict

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// waits is like watch for goroutines that all wait in one way.
func waits(lives []life, run float64, how tracer.GoroutineInfo) *History {
	h := New(start, seconds(10))
	for at := 0.0; at <= run; at++ {
		s := snapshotAt(tracer.Goroutine, lives, at)
		for i := range s.Sites {
			for j := range s.Sites[i].Outstanding {
				s.Sites[i].Outstanding[j].Goroutine = &how
			}
		}
		h.Add(s)
	}
	return h
}

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
			sites := waits(test.lives, test.run, test.how).Sites()
			if len(sites) != 1 || sites[0].State != test.want {
				t.Errorf("got %+v, want %s", judgements(sites), test.want)
			}
		})
	}
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
		{"all", pool(4, 1), []int{2}, 30, Unreachable{4, 2}, "4 of 4 goroutines unreachable in 2 of 2 scans"},
		{"some", pool(4, 1), []int{0, 2}, 30, Unreachable{2, 2}, "2 of 4 goroutines unreachable in 2 of 2 scans"},
		{"for long, and not for long", pool(4, 1), []int{8, 4}, 30, Unreachable{4, 4}, "4 of 4 goroutines unreachable in 4 of 4 scans"},
		{"none", pool(4, 1), []int{0}, 30, Unreachable{}, "settled at 4"},
		{
			"of a site that grows", rate(0, 300, 1, 1e6), []int{2}, 300, Unreachable{290, 2},
			"grew from 0 to 300 in 4m45s and did not stop; 290 of 300 goroutines unreachable in 2 of 2 scans",
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
			if diff := cmp.Diff(test.want, site.Unreachable); diff != "" {
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
