package verdict

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// requests is a run in which each request does something to the activity of
// the process that serves it and leaves objects behind.
type requests struct {
	kind     tracer.Kind
	accepted bool // of sockets: by accept
	perS     func(r *rand.Rand, at int) int
	each     tracer.Activity // what a request does
	leaks    func(n int) int // how many objects n requests leave
	other    func(r *rand.Rand) tracer.Activity
}

func (q requests) run() []Correlation {
	h := New(start, seconds(10))
	r := rand.New(rand.NewPCG(1, 8))
	owner := tracer.Process{PID: 1, Start: 1}
	total, served := tracer.Activity{}, 0
	var lives []life
	for at := range 5 * minute {
		n := q.perS(r, at)
		served += n
		for len(lives) < q.leaks(served) {
			lives = append(lives, life{float64(at) - 0.5, forever})
		}
		add := func(a tracer.Activity, n uint64) {
			total.Accepted += n * a.Accepted
			total.Connected += n * a.Connected
			total.Forked += n * a.Forked
			total.Started += n * a.Started
		}
		add(q.each, uint64(n))
		if q.other != nil {
			add(q.other(r), 1)
		}
		s := snapshotAt(q.kind, lives, float64(at))
		s.Processes = []tracer.ProcessActivity{{Process: owner, Activity: total}}
		for i := range s.Sites {
			for j := range s.Sites[i].Outstanding {
				o := &s.Sites[i].Outstanding[j]
				o.Owner = owner
				if q.kind == tracer.CloseWait {
					o.Socket = &tracer.SocketInfo{Accepted: q.accepted, Holders: []tracer.Holder{{Process: owner}}}
				}
			}
		}
		h.Add(s)
	}
	var out []Correlation
	for _, c := range h.Sites()[0].With {
		out = append(out, Correlation{c.Activity, math.Round(100*c.PerActivity) / 100, math.Round(100*c.R) / 100})
	}
	return out
}

func TestCorrelation(t *testing.T) {
	bursty := func(r *rand.Rand, at int) int {
		if at/20%3 == 0 {
			return 0
		}
		return r.IntN(6)
	}
	one := func(n int) int { return n }
	tests := map[string]struct {
		requests
		want []Correlation
	}{
		"one thread for each connection": {requests{tracer.Thread, false, bursty, tracer.Activity{Accepted: 1, Started: 1}, one, nil},
			[]Correlation{{"accepted connections", 1, 1}}},
		"four threads for each connection": {requests{tracer.Thread, false, bursty, tracer.Activity{Accepted: 1, Started: 4}, func(n int) int { return 4 * n }, nil},
			[]Correlation{{"accepted connections", 4, 1}}},
		"a zombie for every fifth": {requests{tracer.Zombie, false, bursty, tracer.Activity{Accepted: 1, Forked: 1}, func(n int) int { return n / 5 }, nil},
			[]Correlation{{"accepted connections", 0.2, 0.99}}},
		"connects and accepts": {requests{tracer.Thread, false, bursty, tracer.Activity{Accepted: 1, Connected: 2}, one, nil},
			[]Correlation{{"accepted connections", 1, 1}, {"calls of connect", 0.5, 1}}},
		"sockets by connect, for each connection": {requests{tracer.CloseWait, false, bursty, tracer.Activity{Accepted: 1, Connected: 1}, one, nil},
			[]Correlation{{"accepted connections", 1, 1}}},
		"sockets by accept": {requests{tracer.CloseWait, true, bursty, tracer.Activity{Accepted: 1}, one, nil}, nil},
		"others connect too": {requests{tracer.Thread, false, bursty, tracer.Activity{Accepted: 1}, one,
			func(r *rand.Rand) tracer.Activity { return tracer.Activity{Connected: uint64(r.IntN(9))} }},
			[]Correlation{{"accepted connections", 1, 1}}},
		"at a constant rate": {requests{tracer.Thread, false, func(*rand.Rand, int) int { return 2 }, tracer.Activity{Accepted: 1}, one, nil}, nil},
		"unrelated": {requests{tracer.Thread, false, func(*rand.Rand, int) int { return 1 }, tracer.Activity{}, one,
			func(r *rand.Rand) tracer.Activity { return tracer.Activity{Accepted: uint64(r.IntN(9))} }}, nil},
		"as irregular, but unrelated": {requests{tracer.Thread, false, func(r *rand.Rand, _ int) int { return r.IntN(4) }, tracer.Activity{}, one,
			func(r *rand.Rand) tracer.Activity { return tracer.Activity{Accepted: uint64(r.IntN(9) * r.IntN(9))} }}, nil},
		"loosely related": {requests{tracer.Thread, false, bursty, tracer.Activity{Accepted: 1}, one,
			func(r *rand.Rand) tracer.Activity { return tracer.Activity{Accepted: uint64(r.IntN(4) / 3 * 40)} }}, nil},
		"nothing grows": {requests{tracer.Thread, false, bursty, tracer.Activity{Accepted: 1}, func(int) int { return 8 }, nil}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(tt.want, tt.run()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Only the processes that hold the objects count.
func TestCorrelationOfOtherProcesses(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 8))
	h := New(start, seconds(10))
	var guilty, other uint64
	lives := []life{}
	for at := range 5 * minute {
		n := r.IntN(5) * (at / 30 % 2)
		guilty += uint64(n)
		other += uint64(r.IntN(50))
		for range n {
			lives = append(lives, life{float64(at) - 0.5, forever})
		}
		s := snapshotAt(tracer.Thread, lives, float64(at))
		for i, accepted := range []uint64{guilty, other} {
			s.Processes = append(s.Processes, tracer.ProcessActivity{
				Process: tracer.Process{PID: i + 1}, Activity: tracer.Activity{Accepted: accepted},
			})
		}
		for _, site := range s.Sites {
			for j := range site.Outstanding {
				site.Outstanding[j].Owner = tracer.Process{PID: 1}
			}
		}
		h.Add(s)
	}
	var got []string
	for _, c := range h.Sites()[0].With {
		got = append(got, fmt.Sprintf("%.2f per %s (r = %.2f)", c.PerActivity, c.Activity, c.R))
	}
	if diff := gocmp.Diff([]string{"1.00 per accepted connections (r = 1.00)"}, got); diff != "" {
		t.Error(diff)
	}
}
