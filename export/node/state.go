package node

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
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
	// Lost is what was lost since tracing began, by cause. Of causes that are counted
	// anew in each snapshot it is the most that was lost in one.
	Lost map[string]uint64
	// Refused is what containers were refused since tracing began.
	Refused []Refusal
	// Costs is empty unless the kernel measures programs.
	Costs []tracer.Cost
	Maps  []Map

	overhead export.Overhead
	seen     inspection
}

// Refusal is what a container was refused because it would have taken it from
// others.
type Refusal struct {
	Container
	Cause string
	Count uint64
}

// refusals lists counts in one order.
func refusals(counts map[causeOf[Container]]uint64) []Refusal {
	var all []Refusal
	for id, n := range counts {
		all = append(all, Refusal{id.of, id.cause, n})
	}
	slices.SortFunc(all, func(a, b Refusal) int {
		return cmp.Or(Label{Container: a.Container}.compare(Label{Container: b.Container}), cmp.Compare(a.Cause, b.Cause))
	})
	return all
}

// makeState judges what the scopes have now.
func (w *Watcher) makeState(snapshot *tracer.Snapshot, settings Settings) *State {
	s := &State{
		Node: w.options.Node, Started: w.options.Started, Settings: settings,
		Snapshot: snapshot, Costs: w.source.Costs(), seen: w.seen,
	}
	if w.options.Maps != nil {
		s.Maps = w.options.Maps()
	}
	if w.options.Overhead != nil {
		s.overhead = w.options.Overhead()
	}
	for _, c := range snapshot.Lost {
		w.sums.lost[c.Name] = max(w.sums.lost[c.Name], c.Count)
	}
	s.Lost = maps.Clone(w.sums.lost)
	s.Refused = w.refused(snapshot, settings.Filter)
	w.describe(s)
	return s
}

// refused adds up what the cgroups of each container were refused.
func (w *Watcher) refused(snapshot *tracer.Snapshot, show Filter) []Refusal {
	for _, r := range snapshot.Refused {
		if c := w.container(r.Cgroup); show.Shows(r.Cgroup, c) {
			w.sums.refused.set(causeOf[string]{r.Cgroup, r.Name}, causeOf[Container]{c, r.Name}, r.Count)
		}
	}
	return refusals(w.sums.refused.finish())
}

// container asks whose a cgroup is.
func (w *Watcher) container(cgroup string) Container {
	namespace, pod, name := w.options.Owner(cgroup)
	return Container{printable(namespace), printable(pod), printable(name)}
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
		container := w.container(id.Cgroup)
		if !s.Settings.Filter.Shows(id.Cgroup, container) {
			continue
		}
		c, label := w.scopes.of[id], w.labels.label(container, id.Program, now)
		s.Parts = append(s.Parts, export.Part{Workload: export.Workload{
			Namespace: container.Namespace, Pod: container.Pod, Container: container.Container,
			Node: s.Node, Comm: id.Program, Cgroup: id.Cgroup,
		}, Sites: c.sites})
		own := export.OwnLimits(s.Settings.Limits, c.sites)
		for _, site := range c.sites {
			of(label, site.Kind).add(site, s.Settings.Suppressions)
		}
		for kind, created := range c.created {
			of(label, kind).own(own[kind])
			w.sums.created.set(kindOf[tracer.Scope]{id, kind}, kindOf[Label]{label, kind}, created)
			w.sums.released.set(kindOf[tracer.Scope]{id, kind}, kindOf[Label]{label, kind}, c.released[kind])
		}
	}
	w.labels.forget(now)
	w.finish(s, all)
}

// finish turns summaries into series.
func (w *Watcher) finish(s *State, all map[kindOf[Label]]*summary) {
	created, released := w.sums.created.finish(), w.sums.released.finish()
	bounds := export.NewBounds(s.seen.limits, export.SitesOf(s.Parts))
	for id, sum := range all {
		sum.Created, sum.Released = created[id], released[id]
		sum.bound(bounds)
	}
	maps.DeleteFunc(all, func(_ kindOf[Label], sum *summary) bool { return sum.Created == 0 && sum.Objects == 0 })
	w.top = w.top.rank(all, s.Settings.TopSites)
	for _, sum := range all {
		s.Series = append(s.Series, sum.Series)
	}
	slices.SortFunc(s.Series, func(a, b Series) int {
		return cmp.Or(a.compare(b.Label), cmp.Compare(a.Kind, b.Kind))
	})
}

// Report makes a report of the parts that are asked for. It takes long where they
// hold much.
func (s *State) Report(asked func(*export.Workload) bool) *export.Report {
	parts := s.Parts
	if asked != nil {
		parts = slices.DeleteFunc(slices.Clone(parts), func(p export.Part) bool { return !asked(&p.Workload) })
	}
	r := export.NewNodeReport(export.Setting{
		Started: s.Started, Overhead: s.overhead, Parked: s.seen.parked, Limits: s.seen.limits, OwnLimits: s.Settings.Limits,
	}, s.Node, s.Settings.MinAge, parts, s.Snapshot)
	r.Suppress(s.Settings.Suppressions)
	if asked != nil {
		r.UnusedSuppressions = nil // they may be used elsewhere
	}
	return r
}
