package workload

import (
	"regexp"
	"strings"
)

// ID is what a cgroup's path tells by itself. All fields are valid UTF-8 of at most
// 255 bytes, and those of what the path does not tell are empty.
type ID struct {
	// Container is the id that its runtime gave a container (64 hex digits, or ECS's
	// 32 and a number), or the name of an LXC container.
	Container string
	// PodUID is the UID of the Kubernetes pod: with dashes, or the 32 hex digits of a
	// pod that the kubelet read from a file.
	PodUID string
	// Unit is the systemd unit of what is in no container, as systemctl spells it, but
	// with an asterisk for a number that only this start of it has (run-*.service), and
	// for a login the user's slice; for a rootless container that of its user's
	// manager; where systemd made no part of the path, the path without its first
	// slash.
	Unit string
	// Runtime is containerd, cri-o, docker, podman, ecs or lxc.
	Runtime string
}

// longest is the longest path, and the longest name, that anything is made of.
const (
	longestPath = 4096
	longestName = 255
)

var (
	// A prefix ends in what its driver chose: - of systemd's, : of containerd with a
	// slice's name and no systemd, _ of Kata's.
	containerElement = regexp.MustCompile(`^(?:(.+)[-_:])?([0-9a-f]{64})(?:\.scope)?$`)
	fargateElement   = regexp.MustCompile(`^[0-9a-f]{32}-[0-9]{1,20}$`)
	podElement       = regexp.MustCompile(
		`^(?:.+-)?pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice(?::.*)?)?$`)
)

// runtimes are by the prefix of a container's cgroup, or by its parent.
var runtimes = map[string]string{
	"cri-containerd": "containerd",
	"crio":           "cri-o",
	"docker":         "docker",
	"libpod":         "podman",
	"libpod-payload": "podman",
	"libpod_parent":  "podman",
	"nerdctl":        "containerd",
}

// Parse reads the path of a cgroup, of any hierarchy, as /proc/PID/cgroup gives it.
//
// Of containers in containers the outermost counts: it is what the machine's own
// runtime made and can name, and nothing in it can make a path that shows as
// somebody else's. So a Docker in a pod, a kind node or a container with systemd is
// one container. For the same reason what a user's own manager made is never a pod.
func Parse(cgroup string) ID {
	elements := split(cgroup)
	var id ID
	for i, element := range elements {
		parent := ""
		if i > 0 {
			parent = elements[i-1]
		}
		if id.PodUID == "" && id.Unit == "" {
			id.PodUID = podUID(element)
			id.Unit = userManager(element)
		}
		if container, runtime := containerIn(parent, element); container != "" {
			id.Container, id.Runtime = container, runtime
			return id
		}
	}
	if id.PodUID == "" {
		id.Unit = unit(elements)
	}
	return id
}

// split leaves out .., with which a path begins that is not below the root of its
// reader's cgroup namespace.
func split(cgroup string) []string {
	cgroup = strings.TrimSuffix(cgroup, " (deleted)") // of a zombie that survived it
	var elements []string
	for element := range strings.SplitSeq(cgroup[:min(len(cgroup), longestPath)], "/") {
		if element != "" && element != ".." {
			elements = append(elements, clean(element))
		}
	}
	return elements
}

// containerIn reads the element of a path that stands for a container.
func containerIn(parent, element string) (id, runtime string) {
	if name, ok := strings.CutPrefix(element, "lxc.payload."); ok && name != "" {
		return name, "lxc"
	}
	if parent == "lxc" {
		return element, "lxc"
	}
	if fargateElement.MatchString(element) {
		return element, "ecs"
	}
	found := containerElement.FindStringSubmatch(element)
	if found == nil {
		return "", ""
	}
	prefix := found[1][strings.LastIndexByte(found[1], ':')+1:]
	if strings.HasSuffix(prefix, "conmon") || element == found[2] && parent == "libpod_parent" {
		return "", "" // who looks after a container; podman's pod
	}
	if prefix == "" {
		prefix = parent
	}
	return found[2], runtimes[prefix]
}

func podUID(element string) string {
	found := podElement.FindStringSubmatch(element)
	if found == nil {
		return ""
	}
	return strings.ReplaceAll(found[1], "_", "-")
}

// clean makes a name that is safe to keep, though not to show.
func clean(name string) string {
	return strings.ToValidUTF8(name[:min(len(name), longestName)], "?")
}
