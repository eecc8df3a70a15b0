package node

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// State is what is known of a node at one instant. It does not change, so that no
// reader waits for a snapshot.
type State struct {
	Node string
	// Started is when tracing began.
	Started time.Time
	// Settings are those that were in force.
	Settings Settings
	// Series is what each program of each container has of each kind, sorted. What
	// never had any is left out.
	Series []Series
	// Parts is the same by cgroup, with all sites and objects.
	Parts []export.Part
	// Snapshot is what was taken last; its Lost and Refused are in the fields below.
	Snapshot *tracer.Snapshot
	// Lost is what was lost since tracing began, by cause.
	Lost map[string]uint64
	// Unjudged is how many objects there are now of which it cannot be told whether
	// they leak, by cause.
	Unjudged map[string]uint64
	// Refused is what containers were refused since tracing began.
	Refused []Refusal
	// Costs is empty unless the kernel measures programs.
	Costs []tracer.Cost
	// Made is when the state was made, by a clock that nobody sets.
	Made time.Time

	overhead export.Overhead
	seen     inspection
	bounds   *export.Bounds
}

// Refusal is what a container was refused because it would have taken it from
// others.
type Refusal struct {
	workload.Workload
	Cause string
	Count uint64
}

// refusals lists counts in one order.
func refusals(counts map[causeOf[workload.Workload]]uint64) []Refusal {
	var all []Refusal
	for id, n := range counts {
		all = append(all, Refusal{id.of, id.cause, n})
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(Label{Workload: a.Workload}.compare(Label{Workload: b.Workload}), cmp.Compare(a.Cause, b.Cause))
	})
	return all
}

// makeState judges what the scopes have now.
func (w *Watcher) makeState(snapshot *tracer.Snapshot, settings Settings) *State {
	s := &State{
		Node: w.options.Node, Started: w.options.Started, Settings: settings,
		Made: time.Now(), Snapshot: snapshot, Costs: w.source.Costs(), seen: w.seen,
	}
	if w.options.Overhead != nil {
		s.overhead = w.options.Overhead()
	}
	s.Lost, s.Unjudged = w.totals.lose(snapshot.Lost)
	s.Refused = w.refused(snapshot, settings.Filter)
	w.describe(s)
	return s
}

// refused adds up what the cgroups of each container were refused.
func (w *Watcher) refused(snapshot *tracer.Snapshot, show Filter) []Refusal {
	for _, r := range snapshot.Refused {
		if r.Count == 0 {
			continue // as nearly all are of nearly all
		}
		if c := w.owner(r.Cgroup); show.Shows(r.Cgroup, c) {
			w.totals.refuse(r, c)
		}
	}
	return refusals(w.totals.refused.finish())
}

// owner asks whose a cgroup is.
func (w *Watcher) owner(cgroup string) workload.Workload {
	o := w.options.Owner(cgroup)
	return workload.Workload{Namespace: printable(o.Namespace), Pod: printable(o.Pod), Container: printable(o.Container)}
}

// describe fills in the parts and series of a state, of the scopes that are shown.
func (w *Watcher) describe(s *State) {
	all := make(map[kindOf[Label]]*summary)
	of := func(l Label, kind tracer.Kind) *summary {
		id := kindOf[Label]{l, kind}
		if all[id] == nil {
			all[id] = &summary{Series: Series{Label: l, Kind: kind}}
		}
		return all[id]
	}
	now := s.Snapshot.Time
	for _, id := range w.scopes.sorted() {
		owner := w.owner(id.Cgroup)
		if !s.Settings.Filter.Shows(id.Cgroup, owner) {
			continue
		}
		c, label := w.scopes.of[id], w.labels.label(owner, id.Program, now)
		s.Parts = append(s.Parts, export.Part{Workload: export.Workload{
			Namespace: owner.Namespace, Pod: owner.Pod, Container: owner.Container,
			Node: s.Node, Comm: id.Program, Cgroup: id.Cgroup,
		}, Sites: c.sites})
		own := export.OwnLimits(s.Settings.Limits, c.sites)
		for i := range c.sites {
			of(label, c.sites[i].Kind).add(&c.sites[i], s.Settings.Suppressions)
		}
		for kind, created := range c.created {
			of(label, kind).own(own[kind], c.sites)
			w.totals.count(id, label, kind, created, c.released[kind])
		}
	}
	w.labels.forget(now)
	w.finish(s, all)
}

// finish turns summaries into series.
func (w *Watcher) finish(s *State, all map[kindOf[Label]]*summary) {
	created, released := w.totals.created.finish(), w.totals.released.finish()
	s.bounds = export.NewBounds(s.seen.of(s.Snapshot.Processes), export.SitesOf(s.Parts))
	for id, sum := range all {
		sum.Created, sum.Released = created[id], released[id]
		sum.bound(s.bounds)
	}
	maps.DeleteFunc(all, func(_ kindOf[Label], sum *summary) bool { return sum.Created == 0 && sum.Objects == 0 })
	w.top.rank(all, s.Settings.TopSites, s.Snapshot.Time)
	for _, sum := range all {
		s.Series = append(s.Series, sum.Series)
	}
	slices.SortFunc(s.Series, func(a, b Series) int {
		return cmp.Or(a.compare(b.Label), cmp.Compare(a.Kind, b.Kind))
	})
}

// Query asks for some workloads. Of each list that is not empty one entry must be
// the same.
type Query struct {
	Kinds                        []tracer.Kind
	Namespaces, Pods, Containers []string
}

func (q Query) all() bool {
	return len(q.Kinds) == 0 && len(q.Namespaces) == 0 && len(q.Pods) == 0 && len(q.Containers) == 0
}

// pick leaves of the parts what is asked for.
func (q Query) pick(all []export.Part) (picked []export.Part) {
	for _, p := range all {
		w := p.Workload
		if !picks(q.Namespaces, w.Namespace) || !picks(q.Pods, w.Pod) || !picks(q.Containers, w.Container) {
			continue
		}
		if len(q.Kinds) > 0 {
			p.Sites = slices.DeleteFunc(slices.Clone(p.Sites), func(s verdict.Site) bool {
				return !slices.Contains(q.Kinds, s.Kind)
			})
		}
		picked = append(picked, p)
	}
	return picked
}

// Report makes a report of what is asked for. It takes long where that is much.
func (s *State) Report(q Query) *export.Report {
	r := export.NewNodeReport(export.Setting{
		Started: s.Started, Overhead: s.overhead, Kinds: q.Kinds, Parked: s.seen.parked, OwnLimits: s.Settings.Limits,
	}, export.Node{
		Name: s.Node, MinAge: s.Settings.MinAge, Parts: q.pick(s.Parts), Bounds: s.bounds, Last: s.Snapshot,
	})
	r.Suppress(s.Settings.Suppressions)
	if !q.all() {
		r.UnusedSuppressions = nil // they may be of use elsewhere
	}
	return r
}
