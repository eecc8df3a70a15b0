package node

import (
	"regexp"
	"slices"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/workload"
)

// Filter picks workloads. Of each list that is not empty one entry must match.
type Filter struct {
	// Cgroups are patterns for whole paths of cgroups: * stands for any characters
	// and ? for any one.
	Cgroups []string
	// Containers and Namespaces are names.
	Containers, Namespaces []string
}

// shortID is what a container is called whose name is not known.
var shortID = regexp.MustCompile(`^[0-9a-f]{12}$`)

// Shows tells that a workload is picked.
func (f Filter) Shows(cgroup string, c workload.Workload) bool {
	return f.cgroup(cgroup) && picks(f.Namespaces, c.Namespace) && picks(f.Containers, c.Container)
}

// Admits tells that a workload is picked, or may turn out to be once it is known
// whose it is: what is not traced from the start has no stacks.
func (f Filter) Admits(cgroup string, c workload.Workload) bool {
	pending := c.Namespace == workload.Unknown
	return f.cgroup(cgroup) &&
		(pending || picks(f.Namespaces, c.Namespace)) &&
		(pending || shortID.MatchString(c.Container) || picks(f.Containers, c.Container))
}

func (f Filter) cgroup(path string) bool {
	return len(f.Cgroups) == 0 || slices.ContainsFunc(f.Cgroups, func(p string) bool { return export.Glob(p, path) })
}

func picks(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }
