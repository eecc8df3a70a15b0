package node

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// row is what is compared of a series.
type row struct {
	Label, Kind             string
	Objects, Leaked, Others int
	Created, Released       uint64
	Sites                   []Site
}

func rows(s *State) (all []row) {
	for _, x := range s.Series {
		all = append(all, row{
			x.Namespace + "/" + x.Pod + "/" + x.Container + " " + x.Comm, string(x.Kind),
			x.Objects, x.Leaked, x.Others, x.Created, x.Released, x.Sites,
		})
	}
	return all
}

func TestSeries(t *testing.T) {
	p := process(7, cart)
	idle := process(8, tracer.Scope{Cgroup: "/shop/idle-1/app", Program: "idle"})
	source := newFakeSource()
	source.next = &tracer.Snapshot{
		Processes: []tracer.ProcessActivity{p, idle},
		Sites: []tracer.Site{
			zombies(cart, "a", p.Process, 10, 1), zombies(cart, "b", p.Process, 5, 3), zombies(cart, "c", p.Process, 5, 2),
			{Kind: tracer.CloseWait, Scope: cart, Fingerprint: "quiet", Created: 9, Released: 9},
		},
	}
	got := rows(steps(t, watcher(source, Options{}), 4))
	want := []row{
		{"shop/cart-1/app cart", "close-wait", 0, 0, 0, 9, 9, nil},
		{"shop/cart-1/app cart", "zombie", 6, 6, 1, 20, 14, []Site{{"b (b.c:7)", "f-b", 3}, {"c (c.c:7)", "f-c", 2}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A leak that is accepted is none in metrics, and one with a reason in reports.
func TestSuppressedSeries(t *testing.T) {
	p := process(7, cart)
	source := newFakeSource()
	source.next = &tracer.Snapshot{
		Processes: []tracer.ProcessActivity{p},
		Sites:     []tracer.Site{zombies(cart, "a", p.Process, 10, 4), zombies(cart, "b", p.Process, 5, 3)},
	}
	settings := testSettings()
	settings.Suppressions = accepted("a")
	s := steps(t, watcher(source, Options{Settings: func() Settings { return settings }}), 4)
	want := []row{{"shop/cart-1/app cart", "zombie", 7, 3, 0, 15, 8, []Site{{"b (b.c:7)", "f-b", 3}}}}
	if diff := cmp.Diff(want, rows(s)); diff != "" {
		t.Error(diff)
	}
	r := s.Report(Query{})
	if last := r.Sites[len(r.Sites)-1]; last.Suppressed != "known" || last.Outstanding != 4 || r.Leaking() != 1 {
		t.Errorf("last of the report: %+v", last)
	}
}

// What ends takes its series with it, and no sum falls meanwhile.
func TestSeriesEnd(t *testing.T) {
	old, restarted := cart, cart
	old.Cgroup, restarted.Cgroup = "/shop/cart-1/app/1", "/shop/cart-1/app/2"
	first, second := process(7, old), process(8, restarted)
	source := newFakeSource()
	w := watcher(source, Options{})
	var created [][]uint64
	for _, s := range []*tracer.Snapshot{
		{Processes: []tracer.ProcessActivity{first}, Sites: []tracer.Site{zombies(old, "a", first.Process, 10, 2)}},
		{
			Processes: []tracer.ProcessActivity{first, second},
			Sites:     []tracer.Site{zombies(old, "a", first.Process, 12, 2), zombies(restarted, "a", second.Process, 1, 1)},
		},
		// The kernel took the children of the first; its site is in the snapshot yet.
		{
			Processes: []tracer.ProcessActivity{second},
			Sites:     []tracer.Site{zombies(old, "a", first.Process, 12, 0), zombies(restarted, "a", second.Process, 4, 1)},
		},
		{Processes: []tracer.ProcessActivity{second}, Sites: []tracer.Site{zombies(restarted, "a", second.Process, 3, 1)}},
		{Sites: []tracer.Site{zombies(restarted, "a", second.Process, 5, 0)}},
		{Processes: []tracer.ProcessActivity{second}, Sites: []tracer.Site{zombies(restarted, "a", second.Process, 1, 1)}},
	} {
		source.next = s
		var now []uint64
		for _, series := range steps(t, w, 1).Series {
			now = append(now, series.Created)
		}
		created = append(created, now)
	}
	if diff := cmp.Diff([][]uint64{{10}, {13}, {16}, {16}, nil, {1}}, created); diff != "" {
		t.Error(diff)
	}
}

func TestLimits(t *testing.T) {
	p, q := process(7, cart), process(8, tracer.Scope{Cgroup: "/shop/cart-2/app", Program: "cart"})
	each := map[tracer.Kind]uint64{tracer.Zombie: 1}
	source := newFakeSource()
	source.next = &tracer.Snapshot{
		Processes: []tracer.ProcessActivity{p, q},
		Sites:     []tracer.Site{zombies(cart, "a", p.Process, 4, 4), zombies(q.Scope, "a", q.Process, 1, 1)},
	}
	var asked []int
	settings := testSettings()
	settings.Limits = limit.Own{tracer.Zombie: 8}
	w := watcher(source, Options{
		Settings: func() Settings { return settings },
		Limits: func(processes []tracer.Process) (map[int][]limit.Limit, error) {
			for _, p := range processes {
				asked = append(asked, p.PID)
			}
			slices.Sort(asked)
			return map[int][]limit.Limit{7: {
				{Name: "pids.max", Resource: limit.Tasks, Each: each, Used: 30, Max: 40, Shared: true},
				{Name: "kernel.pid_max", Resource: limit.Tasks, Each: each, Used: 100, Max: 1000, Shared: true},
			}}, nil
		},
	})
	got := map[string]map[limit.Resource]float64{}
	for _, s := range steps(t, w, 1).Series {
		got[s.Pod] = map[limit.Resource]float64{}
		for r, b := range s.Bounds {
			got[s.Pod][r] = b.Used
		}
	}
	want := map[string]map[limit.Resource]float64{
		"cart-1": {limit.Tasks: 0.75, limit.Objects: 0.5}, "cart-2": {limit.Objects: 0.125},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	steps(t, w, 1) // within inspectEvery, so nobody is asked again
	if diff := cmp.Diff([]int{7, 8}, asked); diff != "" {
		t.Error(diff)
	}
}

// threads is a site of n threads that live since tracing began.
func threads(p tracer.ProcessActivity, function string, n int) tracer.Site {
	s := zombies(p.Scope, function, p.Process, uint64(n), n)
	s.Kind = tracer.Thread
	for i := range s.Outstanding {
		o := &s.Outstanding[i]
		o.Kind, o.Zombie = tracer.Thread, nil
	}
	return s
}

// Of a limit that many share only who fills it is told when it is full, and a pool
// that has filled its own is no emergency.
func TestExhaustion(t *testing.T) {
	p, q := process(7, cart), process(8, tracer.Scope{Cgroup: "/shop/db-1/app", Program: "postgres"})
	source := newFakeSource()
	settings := testSettings()
	settings.Limits = limit.Own{tracer.Zombie: 4}
	w := watcher(source, Options{
		Settings: func() Settings { return settings },
		Limits: func([]tracer.Process) (map[int][]limit.Limit, error) {
			each := map[tracer.Kind]uint64{tracer.Thread: 1, tracer.Zombie: 1}
			shared := []limit.Limit{
				{Name: "kernel.pid_max", Resource: limit.Tasks, Each: each, Used: 1000, Max: 5000, Shared: true},
			}
			pool := limit.Limit{Name: "pids.max of db", Resource: limit.Tasks, Each: each, Used: 5, Max: 5, Shared: true}
			return map[int][]limit.Limit{7: shared, 8: append(shared, pool)}, nil
		},
	})
	for i := range 40 {
		leak := threads(p, "leak", 20*(i+1))
		for j := range leak.Outstanding {
			at := began.Add(10 * time.Second * time.Duration(j/20+1))
			leak.Outstanding[j].Created, leak.Outstanding[j].Since = at, at
		}
		source.next = &tracer.Snapshot{
			Processes: []tracer.ProcessActivity{p, q},
			Sites:     []tracer.Site{leak, threads(q, "pool", 5), zombies(q.Scope, "children", q.Process, 4, 4)},
		}
		steps(t, w, 1)
	}
	got := map[string]Bound{}
	for _, s := range w.State().Series {
		for r, b := range s.Bounds {
			got[s.Comm+" "+string(s.Kind)+" "+string(r)] = b
		}
	}
	never := math.Inf(1)
	want := map[string]Bound{
		"cart thread tasks":       {Used: 0.2, FullS: 2000},
		"postgres thread tasks":   {Used: 1, FullS: never},
		"postgres zombie tasks":   {Used: 1, FullS: never},
		"postgres zombie objects": {Used: 1, FullS: never},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		t.Error(diff)
	}
}

// A process that has got another's pid has not its limits.
func TestLimitsOfAnother(t *testing.T) {
	old, next := process(7, cart), process(7, cart)
	next.Start = 99
	each := map[tracer.Kind]uint64{tracer.Zombie: 1}
	source := newFakeSource()
	var asked []tracer.Process
	w := watcher(source, Options{Limits: func(processes []tracer.Process) (map[int][]limit.Limit, error) {
		asked = processes
		return map[int][]limit.Limit{7: {{Name: "pids.max", Resource: limit.Tasks, Each: each, Used: 1, Max: 4, Shared: true}}}, nil
	}})
	of := func(p tracer.ProcessActivity) map[limit.Resource]Bound {
		source.next = &tracer.Snapshot{
			Processes: []tracer.ProcessActivity{p},
			Sites:     []tracer.Site{zombies(cart, "a", old.Process, 3, 3), zombies(cart, "b", p.Process, 2, 2)},
		}
		return steps(t, w, 1).Series[0].Bounds
	}
	if len(of(old)) != 1 || len(of(next)) != 0 {
		t.Errorf("limits of the one before: %v, of the next: %v, want only the first", of(old), of(next))
	}
	w.seen.next = time.Time{} // look
	of(next)
	if diff := cmp.Diff([]tracer.Process{next.Process}, asked); diff != "" {
		t.Error(diff)
	}
	w.seen.next = time.Time{}
	source.next.Sites = source.next.Sites[:1]
	if steps(t, w, 1); len(asked) != 0 {
		t.Errorf("asked for the limits of %v, which has ended", asked)
	}
}

// The threads that are looked at are the same each time, and of each scope some.
func TestDeal(t *testing.T) {
	list := func(n int) (all []tracer.Object) {
		for i := range n {
			all = append(all, tracer.Object{ID: 100*n + i})
		}
		return all
	}
	for _, tt := range []struct {
		lists []int
		most  int
		want  []int
	}{
		{nil, 5, nil},
		{[]int{3, 1}, 9, []int{100, 300, 301, 302}},
		{[]int{9, 0, 2, 8}, 7, []int{200, 201, 800, 801, 900, 901, 902}},
		{[]int{9, 3}, 2, []int{300, 900}},
	} {
		var lists [][]tracer.Object
		for _, n := range tt.lists {
			lists = append(lists, list(n))
		}
		var got []int
		for _, o := range deal(lists, tt.most) {
			got = append(got, o.ID)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%v: %s", tt.lists, diff)
		}
	}
}
