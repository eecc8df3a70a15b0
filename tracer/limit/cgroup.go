package limit

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mount is a mounted hierarchy of cgroups that may limit tasks.
type mount struct {
	point string
	// root is the path of the cgroup that is seen at point. Like the paths in
	// /proc/PID/cgroup it begins at the reader's cgroup namespace, and with ".."
	// where it lies outside.
	root []string
	v2   bool
}

// cgroupTasks is the pids.max of a process's cgroup and of those above it, as
// far up as they are mounted here: the kernel asks every one of them.
func cgroupTasks(p *process) []Limit {
	groups, err := p.proc.Cgroups()
	if err != nil {
		return nil
	}
	var limits []Limit
	for _, g := range groups {
		v2 := g.HierarchyID == 0
		if !v2 && !slices.Contains(g.Controllers, "pids") {
			continue
		}
		for _, m := range p.mounts() {
			if below, ok := m.below(segments(g.Path)); ok && m.v2 == v2 {
				limits = append(limits, p.pidsMax(m, below)...)
				break
			}
		}
	}
	return limits
}

// pidsMax reads the limits of a cgroup and of those above it, inmost first.
func (r *Reader) pidsMax(m mount, below []string) []Limit {
	var limits []Limit
	for depth := len(below); depth >= 0; depth-- {
		dir := r.path(m.point, filepath.Join(below[:depth]...))
		limit, limited := readNumber(filepath.Join(dir, "pids.max"))
		used, counted := readNumber(filepath.Join(dir, "pids.current"))
		if limited && counted {
			limits = append(limits, Limit{
				Name:     "pids.max of /" + strings.Join(slices.Concat(m.root, below[:depth]), "/"),
				Resource: Tasks, Each: each(Tasks, 1),
				Used: used, Max: limit, Shared: true,
			})
		}
	}
	return limits
}

// below is the path from the mount's root to a cgroup, if the cgroup is seen in
// the mount and the way is known. "/../b" is seen at "/..", but from "/../.."
// there is a name between that no file tells.
func (m mount) below(path []string) ([]string, bool) {
	if len(path) < len(m.root) || !slices.Equal(path[:len(m.root)], m.root) {
		return nil, false
	}
	below := path[len(m.root):]
	return below, !slices.Contains(below, "..")
}

// readMounts finds the hierarchies, those that show most first.
func (r *Reader) readMounts() []mount {
	text, err := os.ReadFile(r.path("proc/self/mountinfo"))
	if err != nil {
		return nil
	}
	var mounts []mount
	for line := range strings.Lines(string(text)) {
		if m, ok := parseMount(line); ok {
			mounts = append(mounts, m)
		}
	}
	slices.SortStableFunc(mounts, func(a, b mount) int { return cmp.Compare(len(a.root), len(b.root)) })
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
	v2 := kinds[0] == "cgroup2"
	v1 := kinds[0] == "cgroup" && slices.Contains(strings.Split(kinds[2], ","), "pids")
	return mount{point: unescape(places[4]), root: segments(unescape(places[3])), v2: v2}, v1 || v2
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

// segments are the names in a path; of "/", none.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
}
