package node

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
)

// steps takes so many snapshots and returns the last state.
func steps(t *testing.T, w *Watcher, n int) *State {
	t.Helper()
	for range n {
		if err := w.Step(); err != nil {
			t.Fatal(err)
		}
	}
	return w.State()
}

// What a parent in another cgroup reaps was given back, and no process has ended.
func TestReaperElsewhere(t *testing.T) {
	shim := process(3, tracer.Scope{Cgroup: "/system/shim/x", Program: "shim"})
	p := process(7, cart)
	source := newFakeSource()
	w := watcher(source, Options{})
	source.next = &tracer.Snapshot{
		Processes: []tracer.ProcessActivity{p, shim}, Sites: []tracer.Site{zombies(cart, "a", shim.Process, 3, 3)},
	}
	steps(t, w, 3)
	source.next = &tracer.Snapshot{Processes: []tracer.ProcessActivity{p, shim}, Sites: []tracer.Site{zombies(cart, "a", shim.Process, 3, 0)}}
	if s := steps(t, w, 1); len(s.Series) != 1 || s.Series[0].Leaked != 0 || len(s.Parts[0].Sites) != 1 {
		t.Errorf("after the last was reaped: %+v %+v", s.Series, s.Parts)
	}
	if n := w.scopes.of[cart].history.Unjudged(); n != 0 {
		t.Errorf("%d not judged: they were reaped, and nothing ended", n)
	}
	if _, known := w.scopes.of[cart].others[identify(shim.Process)]; !known {
		t.Error("the reaper is forgotten while it lives")
	}
}

func TestFilteredState(t *testing.T) {
	p, q := process(7, cart), process(8, tracer.Scope{Cgroup: "/bank/cart-2/app", Program: "cart"})
	source := newFakeSource()
	source.next = &tracer.Snapshot{
		Processes: []tracer.ProcessActivity{p, q},
		Sites:     []tracer.Site{zombies(cart, "a", p.Process, 4, 4), zombies(q.Scope, "a", q.Process, 1, 1)},
		Refused: []tracer.Refusal{
			{Cgroup: cart.Cgroup, Counter: tracer.Counter{Name: "stacks", Count: 3}},
			{Cgroup: cart.Cgroup, Counter: tracer.Counter{Name: "never"}},
			{Cgroup: q.Scope.Cgroup, Counter: tracer.Counter{Name: "stacks", Count: 9}},
		},
	}
	settings := testSettings()
	settings.Filter.Namespaces = []string{"shop"}
	s := steps(t, watcher(source, Options{Settings: func() Settings { return settings }}), 1)
	if len(s.Series) != 1 || len(s.Parts) != 1 || s.Series[0].Namespace != "shop" {
		t.Errorf("not only the namespace shop: %+v", s.Series)
	}
	if diff := cmp.Diff([]Refusal{{workload.Workload{Namespace: "shop", Pod: "cart-1", Container: "app"}, "stacks", 3}}, s.Refused); diff != "" {
		t.Error(diff)
	}
}

func TestQuery(t *testing.T) {
	p, q := process(7, cart), process(8, tracer.Scope{Cgroup: "/bank/cart-2/side", Program: "cart"})
	source := newFakeSource()
	thread := zombies(cart, "t", p.Process, 2, 1)
	thread.Kind, thread.Outstanding[0].Kind, thread.Outstanding[0].Zombie = tracer.Thread, tracer.Thread, nil
	source.next = &tracer.Snapshot{
		Processes: []tracer.ProcessActivity{p, q},
		Sites:     []tracer.Site{zombies(cart, "a", p.Process, 4, 4), thread, zombies(q.Scope, "b", q.Process, 1, 1)},
	}
	settings := testSettings()
	settings.Suppressions = accepted("nothing")
	s := steps(t, watcher(source, Options{Settings: func() Settings { return settings }}), 1)
	for name, tt := range map[string]struct {
		query  Query
		want   []string
		unused int
	}{
		"all":       {Query{}, []string{"f-a", "f-b", "f-t"}, 1},
		"kind":      {Query{Kinds: []tracer.Kind{tracer.Thread}}, []string{"f-t"}, 0},
		"namespace": {Query{Namespaces: []string{"bank", "other"}}, []string{"f-b"}, 0},
		"pod":       {Query{Pods: []string{"cart-1"}}, []string{"f-a", "f-t"}, 0},
		"container": {Query{Containers: []string{"side"}}, []string{"f-b"}, 0},
		"both":      {Query{Namespaces: []string{"bank"}, Kinds: []tracer.Kind{tracer.Thread}}, nil, 0},
		"no such":   {Query{Namespaces: []string{"ban"}}, nil, 0},
		"no such 2": {Query{Containers: []string{""}}, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			r := s.Report(tt.query)
			for _, site := range r.Sites {
				got = append(got, site.Fingerprint)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if !slices.Equal(r.Kinds, tt.query.Kinds) {
				t.Errorf("said to be of kinds %q", r.Kinds)
			}
			if len(r.UnusedSuppressions) != tt.unused {
				t.Errorf("unused suppressions %v, want %d", r.UnusedSuppressions, tt.unused)
			}
		})
	}
}

// A new min-age judges anew.
func TestMinAgeChanges(t *testing.T) {
	p := process(7, cart)
	source := newFakeSource()
	source.next = &tracer.Snapshot{
		Processes: []tracer.ProcessActivity{p}, Sites: []tracer.Site{zombies(cart, "a", p.Process, 4, 4)},
	}
	settings := testSettings()
	w := watcher(source, Options{Settings: func() Settings { return settings }})
	if s := steps(t, w, 4); s.Series[0].Leaked != 4 {
		t.Fatalf("leaked %d, want 4", s.Series[0].Leaked)
	}
	settings.MinAge = time.Hour
	if s := steps(t, w, 4); s.Series[0].Leaked != 0 || s.Settings.MinAge != time.Hour {
		t.Errorf("leaked %d with a min-age of an hour", s.Series[0].Leaked)
	}
}

func TestParked(t *testing.T) {
	p := process(7, cart)
	source := newFakeSource()
	site := zombies(cart, "t", p.Process, 40, 40)
	site.Kind = tracer.Thread
	for i := range site.Outstanding {
		o := &site.Outstanding[i]
		o.Kind, o.Zombie = tracer.Thread, nil
	}
	all := site.Outstanding
	fail := false
	source.parked = func(threads []tracer.Object) ([]tracer.Parked, error) {
		if fail {
			return nil, errors.New("no")
		}
		group := tracer.Parked{Stack: tracer.Stack{Site: -1}}
		for _, o := range threads {
			group.Threads = append(group.Threads, o.ID)
		}
		return []tracer.Parked{group}, nil
	}
	w := watcher(source, Options{})
	parked := func(n int) (count int) {
		site.Outstanding = all[:n]
		for i := range site.Outstanding {
			at := began.Add(10 * time.Second * time.Duration(i+1))
			all[i].Created, all[i].Since = at, at
		}
		source.next = &tracer.Snapshot{Processes: []tracer.ProcessActivity{p}, Sites: []tracer.Site{site}}
		w.seen.next = time.Time{} // look
		for _, s := range steps(t, w, 1).Report(Query{}).Sites {
			for _, group := range s.Parked {
				count += group.Count
			}
		}
		return count
	}
	if n := parked(1); n != 0 {
		t.Errorf("looked at %d threads of which nothing is known yet", n)
	}
	for n := range 35 {
		parked(n + 1)
	}
	if n := parked(36); n != 36 {
		t.Errorf("looked at %d threads that leak, want 36", n)
	}
	fail = true
	if n := parked(36); n != 36 {
		t.Errorf("%d are known after a look that failed, want 36", n)
	}
}

// What was lost never falls; what cannot be judged is as many as there are now.
func TestLost(t *testing.T) {
	source := newFakeSource()
	w := watcher(source, Options{})
	for _, n := range []uint64{3, 9, 4} {
		source.next = &tracer.Snapshot{Lost: []tracer.Counter{
			{Name: "stacks", Count: n}, {Name: "never"},
			{Name: "finished_threads_unjudged", Count: n}, {Name: "queued_connections_unseen"},
		}}
		steps(t, w, 1)
	}
	if diff := cmp.Diff(map[string]uint64{"stacks": 9, "never": 0}, w.State().Lost); diff != "" {
		t.Error(diff)
	}
	want := map[string]uint64{"finished_threads_unjudged": 4, "queued_connections_unseen": 0}
	if diff := cmp.Diff(want, w.State().Unjudged); diff != "" {
		t.Error(diff)
	}
}

// A snapshot that fails changes nothing, and the next one is taken.
func TestRun(t *testing.T) {
	source := newFakeSource()
	source.next = &tracer.Snapshot{}
	source.err = errors.New("no memory")
	settings := testSettings()
	settings.Interval = time.Millisecond
	took := make(chan time.Duration, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	w := watcher(source, Options{
		Took: func(d time.Duration) { took <- d },
		Settings: func() Settings {
			if asked++; asked == 4 {
				source.err = nil
			}
			return settings
		},
	})
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	s, err := w.After(ctx, time.Now())
	<-took
	cancel()
	<-ended
	if err != nil || s == nil || asked < 4 {
		t.Errorf("state %v, error %v after %d snapshots", s, err, asked)
	}
	if _, err := w.After(ctx, time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that the context was cancelled", err)
	}
}
