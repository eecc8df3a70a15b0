package workload

import (
	"path"
	"regexp"
	"strings"
)

// What systemd and desktops put into the name of a unit so that it is like no other.
// All of it is at the end, and nothing of it means anything once the unit has ended.
var (
	// Of systemd-run: run-u99, run-r<128 bits>, run-p<pid>-i<number>, run-<pid>.
	runUnit = regexp.MustCompile(`^run-(?:u?[0-9]+|r[0-9a-f]{32}|p[0-9]+-i[0-9]+)\.(service|scope)$`)
	// Scopes are made for processes that run already: app-gnome-firefox-1234,
	// vte-spawn-<UUID>, libpod-conmon-<id of a container>.
	scopeUnit = regexp.MustCompile(`^(.+[-.])(?:[0-9]+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32,64})\.scope$`)
	// Of a connection to a socket with Accept=yes: sshd@7-192.0.2.1:22-192.0.2.9:50312.
	connectionUnit = regexp.MustCompile(`^(.+@)[0-9]+-(?:[][0-9a-f.:%-]+|unknown)\.service$`)
	// Desktops start a program as app-LAUNCHER-PROGRAM@RANDOM.
	desktopUnit = regexp.MustCompile(`^(app-.+@)[^@]+\.service$`)
)

// lasting is the name of a unit without what is another each time that the same thing
// is started: an asterisk stands for it. A login has the name of its user's slice.
// Names are labels of metrics, and each new one is a new series.
func lasting(slice, name string) string {
	if strings.HasPrefix(slice, "user-") && strings.HasPrefix(name, "session-") && strings.HasSuffix(name, ".scope") {
		return slice
	}
	name = runUnit.ReplaceAllString(name, "run-*.$1")
	name = scopeUnit.ReplaceAllString(name, "$1*.scope")
	name = connectionUnit.ReplaceAllString(name, "$1*.service")
	return desktopUnit.ReplaceAllString(name, "$1*.service")
}

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
			return lasting(slice, name)
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
