package verdict

import (
	"math"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// execs shows lives of one process to a history once a second, of which goroutines are
// looked at every so many. What it executes at a time is its image then; nothing else
// tells that it has called exec.
func execs(h *History, kind tracer.Kind, lives []life, run, every float64, image func(at float64) uint64) *History {
	var looked *tracer.Snapshot
	for at := 0.0; at <= run; at++ {
		now := image(at)
		if kind != tracer.Goroutine || math.Mod(at, every) == 0 {
			looked = snapshotAt(kind, lives, at)
		} else if at > 0 && image(at-1) != now && now != 0 {
			looked = &tracer.Snapshot{Looked: looked.Looked} // the tracer does not show what is gone
		}
		for i := range looked.Sites {
			for j := range looked.Sites[i].Outstanding {
				looked.Sites[i].Outstanding[j].Owner = service
			}
		}
		h.Add(&tracer.Snapshot{
			Time: start.Add(seconds(at)), Sites: looked.Sites, Looked: looked.Looked,
			Processes: []tracer.ProcessActivity{{Process: service, Image: now}},
		})
	}
	return h
}

// execAt is the image of a process that calls exec once.
func execAt(when float64) func(at float64) uint64 {
	return func(at float64) uint64 {
		if at < when {
			return 0x1000
		}
		return 0x2000
	}
}

// TestExec has a process call exec, which ends what lies in its memory: that was not given
// back, however much the snapshots look so.
func TestExec(t *testing.T) {
	type outcome struct {
		State           State
		Ended, Replaced bool
		Seen            float64
		Outstanding     int
	}
	const th, unjoined, dead, gor = tracer.Thread, tracer.UnjoinedThread, tracer.Zombie, tracer.Goroutine
	unknown := func(float64) uint64 { return 0 }
	// One that exits shows no image for a moment, and is no other afterwards.
	blink := func(at float64) uint64 {
		if at == 50 {
			return 0
		}
		return 0x1000
	}
	missed := func(at float64) uint64 {
		if at == 60 {
			return 0
		}
		return execAt(60)(at)
	}
	late := func(at float64) uint64 {
		if at < 60 {
			return 0
		}
		return 0x1000
	}
	tests := map[string]struct {
		kind   tracer.Kind
		lives  []life
		run    float64
		image  func(at float64) uint64
		want   []outcome
		deaths uint64 // that speak against later verdicts
	}{
		"unjoined threads":              {unjoined, until(60, rate(0, 60, 0.2, forever)), 70, execAt(60), []outcome{{Leaking, true, true, 59, 12}}, 0},
		"threads":                       {th, until(80, rate(0, 80, 0.5, forever)), 90, execAt(80), []outcome{{Leaking, true, true, 79, 40}}, 0},
		"goroutines":                    {gor, until(100, rate(0, 100, 0.5, forever)), 110, execAt(100), []outcome{{Leaking, true, true, 99, 50}}, 0},
		"what it had given back before": {unjoined, until(60, append(pool(3, 1), life{20, 30})), 70, execAt(60), []outcome{{Leaking, true, true, 59, 3}}, 1},
		"a pool":                        {th, until(60, pool(8, 1)), 70, execAt(60), nil, 0},
		"too young":                     {unjoined, until(60, pool(8, 55)), 70, execAt(60), nil, 0},
		"children stay":                 {dead, pool(8, 1), 70, execAt(60), []outcome{{Leaking, false, false, 70, 8}}, 0},
		"children reaped":               {dead, until(60, pool(8, 1)), 70, execAt(60), nil, 8},
		"its image is not known":        {unjoined, until(60, pool(8, 1)), 70, unknown, nil, 8},
		"its image was not known":       {unjoined, until(60, pool(8, 1)), 70, late, nil, 8},
		"no exec":                       {th, until(50, pool(8, 1)), 70, blink, nil, 8},
		"not known for a moment":        {unjoined, until(61, pool(8, 1)), 70, missed, []outcome{{Leaking, true, true, 60, 8}}, 0},
		"it leaks in both":              {th, append(until(100, rate(0, 100, 0.5, forever)), rate(101, 180, 0.5, forever)...), 180, execAt(100), []outcome{{Leaking, false, false, 180, 39}}, 0},
		"the next one is fine":          {th, append(until(100, rate(0, 100, 0.5, forever)), pool(8, 101)...), 200, execAt(100), []outcome{{Leaking, true, true, 99, 50}}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := execs(New(start, seconds(10)), tt.kind, tt.lives, tt.run, 1, tt.image)
			var got []outcome
			for _, s := range h.Sites() {
				if s.State == Leaking {
					got = append(got, outcome{s.State, s.Ended, s.Replaced, s.Seen.Sub(start).Seconds(), len(s.Outstanding)})
				}
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			part := h
			if tt.kind == tracer.Goroutine {
				part = h.goroutines
			}
			if got := part.records[key{tt.kind, "f"}].lives.total; got != tt.deaths {
				t.Errorf("%d ended by themselves, want %d", got, tt.deaths)
			}
		})
	}
}

// TestExecInProgress has snapshots fall into an exec that takes its time to end the threads:
// those that are still there are a part of what it had, which was not given back.
func TestExecInProgress(t *testing.T) {
	lives := until(80, rate(0, 80, 0.5, forever))
	h := New(start, seconds(10))
	for at := 0.0; at <= 90; at++ {
		s := snapshotAt(tracer.Thread, lives, at)
		for i := range s.Sites {
			for j := range s.Sites[i].Outstanding {
				s.Sites[i].Outstanding[j].Owner = service
			}
		}
		s.Processes = []tracer.ProcessActivity{{
			Process: service, Image: execAt(83)(at), Replacing: at >= 80 && at < 83,
		}}
		h.Add(s)
	}
	sites := h.Sites()
	if len(sites) != 1 || sites[0].State != Leaking || !sites[0].Replaced || len(sites[0].Outstanding) != 40 {
		t.Errorf("got %+v, want the 40 threads of 80 s", judgements(sites))
	}
	if got := h.records[key{tracer.Thread, "f"}].lives.total; got != 0 {
		t.Errorf("%d ended by themselves, want none", got)
	}
}

// until is lives that something ends at a time which nothing else ended before.
func until(end float64, lives []life) []life {
	for i := range lives {
		lives[i].end = min(lives[i].end, end)
	}
	return lives
}

// TestExecBetweenLooks has a process call exec long after goroutines were looked at: what
// the last look saw is kept, and that of the next image begins anew.
func TestExecBetweenLooks(t *testing.T) {
	const gor = tracer.Goroutine
	lives := until(310, rate(0, 310, 0.2, forever))
	sites := execs(New(start, seconds(10)), gor, lives, 315, 20, execAt(310)).Sites()
	if len(sites) != 1 || sites[0].State != Leaking || !sites[0].Replaced || len(sites[0].Outstanding) != 60 {
		t.Errorf("got %+v, want what 300 s had", judgements(sites))
	}
}

// TestSameIDAfterExec has a goroutine of the next image get the number of one before, in
// less time than tells any other two apart.
func TestSameIDAfterExec(t *testing.T) {
	h := New(start, seconds(10))
	for i, image := range []uint64{1, 1, 1, 2} {
		at := start.Add(seconds(20 * float64(i)))
		created := start
		if image == 2 {
			created = start.Add(reuse / 2)
		}
		h.Add(&tracer.Snapshot{
			Time: at, Looked: at, Processes: []tracer.ProcessActivity{{Process: service, Image: image}},
			Sites: []tracer.Site{{Kind: tracer.Goroutine, Fingerprint: "f", Outstanding: []tracer.Object{
				{Kind: tracer.Goroutine, ID: 18, Owner: service, Created: created, Since: created},
			}}},
		})
	}
	sites := h.Sites()
	if len(sites) != 1 || sites[0].Oldest > seconds(20) {
		t.Errorf("got %+v, want one that is no older than the image", sites)
	}
	if n := h.goroutines.records[key{tracer.Goroutine, "f"}].lives.total; n != 0 {
		t.Errorf("%d ended by themselves", n)
	}
}

// TestUnjudgedByExec counts what exec took before it was old.
func TestUnjudgedByExec(t *testing.T) {
	lives := append(until(60, pool(3, 55)), until(60, pool(2, 58))...)
	h := execs(New(start, seconds(10)), tracer.UnjoinedThread, lives, 70, 1, execAt(60))
	if got := h.Unjudged(); got != 5 {
		t.Errorf("got %d, want 5", got)
	}
}

// TestChildExecs has children of a process be seen with its image, and then with their own:
// nothing that they held counts, nor does it speak against the parent's.
func TestChildExecs(t *testing.T) {
	h := New(start, seconds(10))
	for at := range 120 {
		s := snapshotAt(tracer.Thread, pool(8, 1), float64(at))
		for i := range s.Sites {
			for j := range s.Sites[i].Outstanding {
				s.Sites[i].Outstanding[j].Owner = service
			}
		}
		s.Processes = []tracer.ProcessActivity{{Process: service, Image: 1}}
		child := tracer.Process{PID: 100 + at/3, Start: uint64(100 + at/3)}
		if at%3 < 2 {
			s.Processes = append(s.Processes, tracer.ProcessActivity{Process: child, Image: uint64(1 + at%3*child.PID)})
		}
		if at > 0 && at%3 == 0 {
			s.Sites[0].Outstanding = append(s.Sites[0].Outstanding, tracer.Object{
				Kind: tracer.Thread, ID: 1000 + at, Owner: child, Created: s.Time, Since: s.Time,
			})
		}
		h.Add(s)
	}
	sites := h.Sites()
	if len(sites) != 1 || sites[0].State != Steady || sites[0].Ended {
		t.Errorf("got %+v, want a pool", judgements(sites))
	}
	if n := h.records[key{tracer.Thread, "f"}].lives.total; n != 0 {
		t.Errorf("%d ended by themselves", n)
	}
}

// TestWatchOfExec keeps nothing of an image that is gone, as of a process that has ended.
func TestWatchOfExec(t *testing.T) {
	h := execs(NewWatch(start, seconds(10)), tracer.Thread, until(80, rate(0, 80, 0.5, forever)), 90, 1, execAt(80))
	for _, s := range h.Sites() {
		if s.State == Leaking {
			t.Errorf("%+v", s)
		}
	}
	if n := h.records[key{tracer.Thread, "f"}].lives.total; n != 0 {
		t.Errorf("%d ended by themselves", n)
	}
}
