package node

import (
	"strings"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

var began = time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)

// fakeSource gives one snapshot after the other, ten seconds apart.
type fakeSource struct {
	now    time.Time
	next   *tracer.Snapshot
	err    error
	parked func([]tracer.Object) ([]tracer.Parked, error)
}

func newFakeSource() *fakeSource { return &fakeSource{now: began} }

func (f *fakeSource) Snapshot() (*tracer.Snapshot, error) {
	if f.err != nil {
		return nil, f.err
	}
	f.now = f.now.Add(10 * time.Second)
	s := *f.next
	s.Time = f.now
	return &s, nil
}

func (f *fakeSource) Parked(threads []tracer.Object) ([]tracer.Parked, error) {
	if f.parked == nil {
		return nil, nil
	}
	return f.parked(threads)
}

func (f *fakeSource) Costs() []tracer.Cost {
	return []tracer.Cost{{Program: "task_newtask", Runs: 5, Time: time.Millisecond}}
}

func testSettings() Settings {
	return Settings{Interval: 10 * time.Second, MinAge: 20 * time.Second, TopSites: 2}
}

// byPath names containers as cgroups of the form /namespace/pod/container/….
func byPath(cgroup string) workload.Workload {
	var parts [3]string
	copy(parts[:], strings.Split(strings.TrimPrefix(cgroup, "/"), "/"))
	return workload.Workload{Namespace: parts[0], Pod: parts[1], Container: parts[2]}
}

// watcher watches a fake source by hand.
func watcher(source *fakeSource, options Options) *Watcher {
	options.Node, options.Started = "node-a", began
	if options.Settings == nil {
		options.Settings = testSettings
	}
	if options.Owner == nil {
		options.Owner = byPath
	}
	return New(source, options)
}

var cart = tracer.Scope{Cgroup: "/shop/cart-1/app", Program: "cart"}

func process(pid int, s tracer.Scope) tracer.ProcessActivity {
	return tracer.ProcessActivity{Process: tracer.Process{PID: pid, Start: uint64(pid), Comm: s.Program}, Scope: s}
}

// zombies is a site whose process has not reaped n children since tracing began.
func zombies(scope tracer.Scope, function string, reaper tracer.Process, created uint64, n int) tracer.Site {
	s := tracer.Site{
		Kind: tracer.Zombie, Scope: scope, Fingerprint: "f-" + function, Role: tracer.Created,
		Stack: tracer.Stack{Quality: tracer.Complete, Frames: []symbol.Frame{
			{Function: function, File: "/src/" + function + ".c", Line: 7, Module: "/app/bin", Address: 1},
		}},
		Created: created, Released: created - uint64(n),
	}
	for i := range n {
		s.Outstanding = append(s.Outstanding, tracer.Object{
			Kind: tracer.Zombie, Created: began.Add(time.Second), Since: began.Add(time.Second), ID: reaper.PID*100_000 + i + 1,
			Name: "child", Owner: reaper, Zombie: &tracer.ZombieInfo{Reaper: reaper},
		})
	}
	return s
}

func accepted(function string) []export.Suppression {
	return []export.Suppression{{Line: 1, Kind: "*", Function: function, Reason: "known"}}
}
