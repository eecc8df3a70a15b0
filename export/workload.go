package export

import (
	"cmp"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Workload is whose objects a site of a node holds: one program of a container,
// or of a systemd unit. What is not known, or does not apply, is empty.
type Workload struct {
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	// Container is the name of a container or systemd unit.
	Container string `json:"container"`
	Node      string `json:"node"`
	// Comm is the kernel's name of the program.
	Comm   string `json:"comm"`
	Cgroup string `json:"cgroup"`
}

// String names the workload as a person would: nginx in shop/cart-7d9f/app. It is
// escaped.
func (w Workload) String() string {
	parts := slices.DeleteFunc([]string{w.Namespace, w.Pod, w.Container}, func(s string) bool { return s == "" })
	return Escape(w.Comm + " in " + cmp.Or(strings.Join(parts, "/"), path.Base(w.Cgroup)))
}

// Part is the sites of one workload, with their verdicts.
type Part struct {
	Workload Workload
	Sites    []verdict.Site
}

// Node is what a report of a node is made of.
type Node struct {
	Name   string
	MinAge time.Duration
	// Parts is what is reported, Bounds is of all there is: what is left out fills
	// limits too.
	Parts  []Part
	Bounds *Bounds
	// Last is the snapshot that the verdicts are of.
	Last *tracer.Snapshot
}

// NewNodeReport makes the report of a node. Each site is of one workload, and the
// user's own limits are for what one workload holds. run.Limits is not used.
func NewNodeReport(run Setting, n Node) *Report {
	r := run.report(n.Last, n.MinAge)
	r.Node = n.Name
	b := newBuilder(run, n.Bounds)
	for i := range n.Parts {
		p := &n.Parts[i]
		own := OwnLimits(run.OwnLimits, p.Sites)
		for _, s := range p.Sites {
			if len(s.Outstanding) > 0 {
				site := b.site(s, own)
				site.Workload = &p.Workload
				r.Sites = append(r.Sites, site)
			}
		}
	}
	slices.SortStableFunc(r.Sites, Site.compare)
	return r
}

// SitesOf are the sites of all workloads.
func SitesOf(parts []Part) iter.Seq[*verdict.Site] {
	return func(yield func(*verdict.Site) bool) {
		for _, p := range parts {
			for i := range p.Sites {
				if !yield(&p.Sites[i]) {
					return
				}
			}
		}
	}
}

// compare orders the sites of several histories as each history does its own.
func (s Site) compare(other Site) int {
	return cmp.Or(
		verdict.CompareStates(s.State, other.State),
		cmp.Compare(min(1, len(other.Stack)), min(1, len(s.Stack))),
		cmp.Compare(other.Outstanding, s.Outstanding),
		cmp.Compare(other.OldestS, s.OldestS),
	)
}

// owner writes whose a site is, where that is not one and the same for all.
func (t text) owner(s Site) {
	if w := s.Workload; w != nil {
		t.line("    of %s, cgroup %s", w, Escape(w.Cgroup))
	}
}

// workloads is the column that tells the sites of a node apart by their owner.
// It has at most a third of the columns there are.
func workloads(sites []Site, width int) []column {
	if sites[0].Workload == nil {
		return nil
	}
	return []column{{title: "WORKLOAD", cells: cells(sites, func(s Site) string { return head(s.Workload.String(), width/3) })}}
}
