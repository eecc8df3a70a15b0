// Package cgroup tells where the cgroups of processes are: by paths that are the same
// for every reader, and by the directories that show them here.
//
// A reader in a cgroup namespace of its own, as in a container, is told paths that
// begin there, and lead up and out of it with "..". If the hierarchy is mounted from
// further up, as in the DaemonSet's pods, the way from there down to the namespace is
// found by looking for the cgroup that lists the reader.
package cgroup

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// View is the hierarchies of cgroups as this process saw them once. It does not
// change, and holds nothing open.
type View struct {
	mounts []mount
	// homes are the roots of this process's cgroup namespace, by hierarchy: paths
	// from the top of what is mounted. Those that were not found are missing.
	homes map[int][]string
}

// Look looks at the hierarchies of the machine whose file system is at root: "/",
// but for tests. What cannot be read is left out.
func Look(root string) *View {
	v := &View{mounts: readMounts(root), homes: make(map[int][]string)}
	proc, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return v
	}
	self, err := proc.Self()
	if err != nil {
		return v
	}
	groups, err := self.Cgroups()
	if err != nil {
		return v
	}
	for _, g := range groups {
		if home, ok := v.find(root, g); ok {
			v.settle(g, home)
		}
	}
	return v
}

// settle makes the paths of a hierarchy begin at its top.
func (v *View) settle(own procfs.Cgroup, home []string) {
	v.homes[own.HierarchyID] = home
	for i, m := range v.mounts {
		if m.shows(own) {
			v.mounts[i].top = from(home, m.top)
		}
	}
	sortMounts(v.mounts)
}

// Path is the names on the way to a cgroup from the top of its hierarchy. Where the
// top is not known they begin with "..", or at this process's cgroup namespace.
func (v *View) Path(g procfs.Cgroup) []string {
	return from(v.homes[g.HierarchyID], segments(g.Path))
}

// Of is the path that stands for a process whose cgroups are given: of v2 or, where
// that says nothing, of the v1 hierarchy whose path is the longest. What leads up
// to a top that is not known is left out.
func (v *View) Of(groups []procfs.Cgroup) (longest string) {
	for _, g := range groups {
		path := "/" + strings.Join(v.Path(g)[ups(v.Path(g)):], "/")
		if g.HierarchyID == 0 && path != "/" {
			return path
		}
		if len(path) > len(longest) {
			longest = path
		}
	}
	return longest
}

// Place is where the files of a cgroup are.
type Place struct {
	// Point is the directory where its hierarchy is mounted, and Top the path of
	// the cgroup that is seen there.
	Point string
	Top   []string
	// Below is the names of the directories from Point to the cgroup.
	Below []string
}

// Place finds a cgroup where its hierarchy is mounted so that it shows most; false
// if it is not seen, or not known where.
func (v *View) Place(g procfs.Cgroup) (Place, bool) {
	path := v.Path(g)
	for _, m := range v.mounts {
		if below, ok := m.below(path); ok && m.shows(g) {
			return Place{Point: m.point, Top: m.top, Below: below}, true
		}
	}
	return Place{}, false
}

// from is a path that was told to a reader whose cgroup namespace begins at home. A
// path that leads further up than home is known stays as it is.
func from(home, path []string) []string {
	up := ups(path)
	if up > len(home) {
		return path
	}
	return slices.Concat(home[:len(home)-up], path[up:])
}

// ups is how many steps up a path begins with.
func ups(path []string) int {
	down := slices.IndexFunc(path, func(name string) bool { return name != ".." })
	if down < 0 {
		return len(path)
	}
	return down
}

// segments are the names in a path; of "/", none.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}

// sortMounts puts those first that show most.
func sortMounts(mounts []mount) {
	slices.SortStableFunc(mounts, func(a, b mount) int { return cmp.Compare(len(a.top), len(b.top)) })
}
