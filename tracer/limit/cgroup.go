package limit

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/leaktrace/leaktrace/tracer/cgroup"
)

// cgroupTasks is the pids.max of a process's cgroup and of those above it, as
// far up as they are mounted here: the kernel asks every one of them.
func cgroupTasks(p *process) []Limit {
	groups, err := p.thread.proc.Cgroups()
	if err != nil {
		return nil
	}
	var limits []Limit
	for _, g := range groups {
		if g.HierarchyID != 0 && !slices.Contains(g.Controllers, "pids") {
			continue
		}
		if place, ok := p.cgroups().Place(g); ok {
			limits = append(limits, p.pidsMax(place)...)
		}
	}
	return limits
}

// pidsMax reads the limits of a cgroup and of those above it, inmost first.
func (r *Reader) pidsMax(at cgroup.Place) []Limit {
	var limits []Limit
	for depth := len(at.Below); depth >= 0; depth-- {
		dir := r.path(at.Point, filepath.Join(at.Below[:depth]...))
		limit, limited := readNumber(filepath.Join(dir, "pids.max"))
		used, counted := readNumber(filepath.Join(dir, "pids.current"))
		if limited && counted {
			limits = append(limits, Limit{
				Name:     "pids.max of /" + strings.Join(slices.Concat(at.Top, at.Below[:depth]), "/"),
				Resource: Tasks, Each: each(Tasks, 1),
				Used: used, Max: limit, Shared: true,
			})
		}
	}
	return limits
}
