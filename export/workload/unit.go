package workload

import (
	"path"
	"strings"
)

// unit is the systemd unit of a cgroup. Cgroups within a unit are its own business,
// but for those of a user's manager, whose units are told apart.
func unit(elements []string) string {
	slice, manager := "", ""
	for _, element := range elements {
		name := strings.TrimPrefix(element, "_") // an escape, of what could be a kernel's file
		switch path.Ext(name) {
		case ".slice":
			slice = name
			continue
		case ".service", ".scope", ".socket", ".mount", ".swap":
		default:
			return outside(elements, slice, manager)
		}
		if manager != "" && name == "init.scope" {
			return manager // itself
		}
		if manager != "" || userManager(name) == "" {
			return name
		}
		manager = name
	}
	return outside(elements, slice, manager)
}

// outside names a cgroup that is below no unit of its own.
func outside(elements []string, slice, manager string) string {
	switch {
	case manager != "":
		return manager
	case slice != "":
		return slice
	}
	return clean(strings.Join(elements, "/"))
}

// userManager is the element if it is the unit of a systemd that a user runs.
func userManager(element string) string {
	if strings.HasPrefix(element, "user@") && strings.HasSuffix(element, ".service") {
		return element
	}
	return ""
}
