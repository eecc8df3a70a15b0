package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/export/workload"
)

// Programs that leak in real containers have series with the labels of these, by
// cgroups of version 2, of version 1, and of both: nobody knows the pods here, and
// that is what is said.
func TestExportContainers(t *testing.T) {
	const uid = "8e5f3c1a-90ab-4cde-8f01-23456789abcd"
	id := func(digit string) string { return strings.Repeat(digit, 64) }
	containerd := startContainerd(t)
	pod := func(name, digit string) *contained {
		return containerd.start(t, name, "/kubepods/burstable/pod"+uid+"/"+id(digit), "leaky-o2", allKinds...)
	}
	hybrid, second, first := pod("hybrid", "a"), pod("v2", "b"), pod("v1", "c")
	second.leave(t, "cgroup")
	first.leave(t, "cgroup2")
	engine := containerd.start(t, "engine", "/system.slice/docker-"+id("d")+".scope", "leaky-o2", allKinds...)
	podman := newPodman(t).start("shop", "leaky-o2", allKinds...)
	config := filepath.Join(t.TempDir(), "leaktrace.yml")
	if err := os.WriteFile(config, []byte("interval: 1s\nmin_age: 1s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := startExporter(t, "--config", config)
	e.await(`(?m)^leaktrace_traced_processes`)
	for _, c := range []struct {
		*contained
		container, pod string
	}{
		{hybrid, id("a"), workload.Unknown},
		{second, id("b"), workload.Unknown},
		{first, id("c"), workload.Unknown},
		{engine, id("d"), ""},
		{podman, strings.TrimPrefix(filepath.Base(same(t, cgroups(t, podman.host))), "libpod-"), ""},
	} {
		c.do("go 3")
		for kind, function := range map[string]string{"zombie": "leak_child", "unjoined-thread": "leak_unjoined", "close-wait": "leak_socket"} {
			e.await(fmt.Sprintf(`(?m)^leaktrace_site_leaked_objects\{comm="leaky-o2",container="%.12s",fingerprint="\w+",`+
				`kind="%s",namespace="%s",node="[^"]*",pod="%s",site="%s \(leaky.c:\d+\)"\} 3$`, c.container, kind, c.pod, c.pod, function))
		}
	}
	e.kill(unix.SIGTERM)
}

// leave moves a container's process to the roots of all hierarchies of a version, so
// that it looks as on a machine that has only the other.
func (c *contained) leave(t *testing.T, version string) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if fields[2] != version {
			continue
		}
		if err := os.WriteFile(filepath.Join(fields[1], "cgroup.procs"), fmt.Append(nil, c.host), 0); err != nil {
			t.Fatal(err)
		}
		left++
	}
	if left == 0 {
		t.Fatalf("no hierarchy is a %s", version)
	}
}
