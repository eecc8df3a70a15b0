package export

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

var cron = tracer.Process{PID: 4713, Start: 3, Comm: "cron"}

// past is what a worker had when it ended after ten seconds, beside what the
// target has had since before tracing and what bounds it. Or the target ends too.
func past(over bool) *Report {
	main := frame("main", "/srv/orders/src/main.cc", 31, 0x11f3)
	parked := func(function string, line int) tracer.Stack {
		return stack(1, libcFrame("poll", 0x10a2f4), frame(function, "/srv/orders/src/worker.cc", line, 0x9100), main)
	}
	run := Setting{
		Parked: []tracer.Parked{
			{Running: true, Stack: tracer.Stack{Site: -1}, Threads: []int{4900, 4901, 4902}},
			{Stack: parked("Worker::wait()", 61), Threads: []int{4903}},
			{Stack: parked("Worker::flush()", 77), Threads: []int{4904}},
		},
		Limits: map[int][]limit.Limit{
			target.PID: {tasks, {Name: nofile.Name, Resource: nofile.Resource, Each: nofile.Each, Used: 130, Max: 160}},
			worker.PID: {nofile},
			cron.PID:   {{Name: "RLIMIT_NOFILE of cron", Resource: nofile.Resource, Each: nofile.Each, Used: 900, Max: 1024}},
		},
		OwnLimits: limit.Own{tracer.CloseWait: 20, tracer.UnjoinedThread: 400},
	}
	return watchWith(run, pasts(), 15, func(s *tracer.Snapshot) {
		clean(s)
		s.Processes = []tracer.ProcessActivity{{Process: target}}
		if s.Time.Before(began.Add(10 * time.Second)) {
			s.Processes = append(s.Processes, tracer.ProcessActivity{Process: worker})
			return
		}
		if over {
			s.Processes = nil
		}
		for i := range s.Sites {
			if o := s.Sites[i].Outstanding; len(o) > 0 && (over || slices.Contains(slices.Collect(o[0].Responsible()), worker)) {
				s.Sites[i].Outstanding = nil
			}
		}
	})
}

func pasts() []tracer.Site {
	main := frame("main", "/srv/orders/src/main.cc", 31, 0x11f3)
	site := func(kind tracer.Kind, fingerprint string, s tracer.Stack, objects []tracer.Object) tracer.Site {
		return tracer.Site{Kind: kind, Fingerprint: fingerprint, Role: tracer.Created, Stack: s, Outstanding: objects}
	}
	nameless := tracer.Stack{Site: -1, Quality: tracer.NoStack}
	young := children(born(1, 0.06), worker)
	young[0].ID = 5000
	sites := []tracer.Site{
		site(tracer.Zombie, "b1c0", stack(1, libcFrame("_Fork", 0xd5b2c), frame("Worker::convert()", "/srv/orders/src/worker.cc", 12, 0x9000), main),
			children(born(3, 1), worker)),
		site(tracer.Zombie, "b1c1", stack(0, main), young),
		site(tracer.Thread, "77f0", nameless, threads(tracer.Thread, "a-very-long-name-of-threads", []time.Time{
			began.Add(-25 * time.Hour), began.Add(-24 * time.Hour), began.Add(-time.Hour), began.Add(-time.Minute), began.Add(-time.Second),
		})),
		site(tracer.Zombie, "b1c2", nameless, children([]time.Time{began}, target)),
		site(tracer.CloseWait, "c0f0", nameless, sockets([]time.Time{began, began.Add(14 * time.Second)})[:1]),
		site(tracer.CloseWait, "c0f1", stack(1, libcFrame("connect", 0x10a2f4), main), sockets([]time.Time{began, began.Add(13 * time.Second)})[1:]),
		site(tracer.Thread, "77f1", nameless, threads(tracer.Thread, "idle", []time.Time{began.Add(-time.Hour)})),
	}
	sites[6].Group, sites[6].Outstanding[0].Owner, sites[6].Outstanding[0].ID = "idle-N", worker, 4910
	sites[2].Group, sites[4].Group = "a-very-long-name-of-threads-N", "connected to 10.0.9.2:5432"
	sites[3].Outstanding[0].BeforeTracing, sites[4].Outstanding[0].BeforeTracing = true, true
	for i := range sites[5].Outstanding {
		sites[5].Outstanding[i].Socket.Holders = []tracer.Holder{{Process: cron, FD: 40}}
	}
	return sites
}

// That its processes have ended is no difference between two runs of a test.
func TestDiffOfEnded(t *testing.T) {
	var out bytes.Buffer
	if err := NewDiff(reports()["nothing"], past(false)).WriteText(&out, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "convert()") || strings.Contains(text, "(ended)") {
		t.Error(text)
	}
}

// What a process took along that called exec is past, and the process is not.
func TestFactsOfExec(t *testing.T) {
	s := newSite(verdict.Site{State: verdict.Leaking, Reason: "7 of 7 not joined for 10s or longer", Ended: true, Replaced: true})
	want := "leaking: 7 of 7 not joined for 10s or longer; its process has called exec since"
	if got := s.facts(false)[0]; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUnjudged(t *testing.T) {
	site := func(kind tracer.Kind, state verdict.State, ended bool, past, young int) verdict.Site {
		s := verdict.Site{State: state, Ended: ended, Past: past}
		s.Kind, s.Outstanding = kind, make([]tracer.Object, past+young)
		return s
	}
	got := unjudged(verdict.New(began, time.Second), []verdict.Site{
		site(tracer.Zombie, verdict.Steady, true, 100, 2),
		site(tracer.CloseWait, verdict.Unknown, true, 0, 5),
		site(tracer.Zombie, verdict.Steady, false, 0, 1000),
		site(tracer.Zombie, verdict.Leaking, true, 10, 1000),
		site(tracer.Thread, verdict.Steady, true, 0, 1000),
	})
	if got != 7 {
		t.Errorf("%d not judged, want 7", got)
	}
}
