package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// mount is a mounted hierarchy of cgroups.
type mount struct {
	point string
	// top is the path of the cgroup that is seen at point. Like the paths in
	// /proc/PID/cgroup it begins at the reader's cgroup namespace until it is known
	// where that is, and with ".." where it lies outside.
	top     []string
	v2      bool
	options []string // of v1: among others, the controllers
}

// shows tells whether the mount is of a cgroup's hierarchy.
func (m mount) shows(g procfs.Cgroup) bool {
	if g.HierarchyID == 0 {
		return m.v2
	}
	missing := func(controller string) bool { return !slices.Contains(m.options, controller) }
	return !m.v2 && !slices.ContainsFunc(g.Controllers, missing)
}

// below is the path from the mount's top to a cgroup, if the cgroup is seen in the
// mount and the way is known. "/../b" is seen at "/..", but from "/../.." there is a
// name between that no file tells.
func (m mount) below(path []string) ([]string, bool) {
	if len(path) < len(m.top) || !slices.Equal(path[:len(m.top)], m.top) {
		return nil, false
	}
	below := path[len(m.top):]
	return below, !slices.Contains(below, "..")
}

// readMounts finds the hierarchies, those that show most first.
func readMounts(root string) []mount {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	var mounts []mount
	for line := range strings.Lines(string(text)) {
		if m, ok := parseMount(line); ok {
			mounts = append(mounts, m)
		}
	}
	sortMounts(mounts)
	return mounts
}

// parseMount takes a line of mountinfo. (procfs rejects the whole file for one
// line it does not know, and does not undo the kernel's escapes.)
func parseMount(line string) (mount, bool) {
	place, kind, _ := strings.Cut(line, " - ")
	places, kinds := strings.Fields(place), strings.Fields(kind)
	if len(places) < 5 || len(kinds) < 3 {
		return mount{}, false
	}
	m := mount{point: unescape(places[4]), top: segments(unescape(places[3])), v2: kinds[0] == "cgroup2"}
	m.options = strings.Split(unescape(kinds[2]), ",")
	return m, m.v2 || kinds[0] == "cgroup"
}

// unescape undoes the octal escapes of mountinfo, such as \040 for a space.
func unescape(text string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		code, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8)
		if err != nil || len(after) < 3 {
			b.WriteByte('\\')
			text = after
			continue
		}
		b.WriteByte(byte(code))
		text = after[3:]
	}
}
