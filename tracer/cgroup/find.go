package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// mostGroups bounds how many cgroups of one depth are looked at, which users may
// make as many of as they like. A full node has some hundreds.
const mostGroups = 1 << 14

// find is the path of this process's cgroup namespace from the top of a hierarchy,
// in which its own cgroup is given: false where no mount shows what is above the
// namespace, or none of the cgroups there lists the process.
func (v *View) find(root string, own procfs.Cgroup) ([]string, bool) {
	depth, point := 0, ""
	for _, m := range v.mounts {
		if m.shows(own) && ups(m.top) == len(m.top) && len(m.top) > depth {
			depth, point = len(m.top), filepath.Join(root, m.point)
		}
	}
	below := segments(own.Path)
	if depth == 0 || ups(below) > 0 {
		return nil, false
	}
	for _, home := range descend(point, depth, mostGroups) {
		if lists(filepath.Join(point, home, filepath.Join(below...)), os.Getpid()) {
			return segments(home), true
		}
	}
	return nil, false
}

// descend lists the directories so far below another one, as paths from there, and
// no more of any depth than so many.
func descend(top string, depth, most int) []string {
	level := []string{""}
	for range depth {
		var next []string
		for _, dir := range level {
			entries, err := os.ReadDir(filepath.Join(top, dir))
			if err != nil {
				continue // gone meanwhile
			}
			for _, e := range entries {
				if e.IsDir() && len(next) < most {
					next = append(next, filepath.Join(dir, e.Name()))
				}
			}
		}
		level = next
	}
	return level
}

// lists tells whether a process is in the cgroup of a directory.
func lists(dir string, pid int) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return err == nil && slices.Contains(strings.Fields(string(text)), strconv.Itoa(pid))
}
