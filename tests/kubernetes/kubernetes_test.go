package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDaemonSet follows one cluster through the life of the DaemonSet of deploy/.
func TestDaemonSet(t *testing.T) {
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"the API server takes the manifests as they are", takesManifests},
		{"it runs on the node", runsOnNode},
		{"it runs with four capabilities and no more", runsUnprivileged},
		{"it listens at one address", listensOnce},
		{"leaks of a pod are named", namesLeaks},
		{"series end with their pod", endsSeries},
		{"it does without the API server", survivesAPIServer},
	} {
		if !t.Run(step.name, step.run) {
			t.Fatalf("after that nothing can be expected of what follows\n%s", node.podLogs("leaktrace"))
		}
	}
}

// takesManifests has the API server check deploy/ itself, which the others see
// through an overlay. Objects of a namespace are refused before it is there.
func takesManifests(t *testing.T) {
	for _, args := range [][]string{
		{"apply", "-f", "../../deploy/kubernetes/namespace.yaml"},
		{"apply", "--dry-run=server", "--validate=strict", "-k", "../../deploy"},
		{"apply", "--dry-run=server", "--validate=strict", "-k", "testdata/overlay"},
	} {
		out, err := node.kubectl(args...)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out, "Warning") {
			t.Errorf("kubectl %s:\n%s", strings.Join(args, " "), out)
		}
	}
}

func runsOnNode(t *testing.T) {
	if _, err := node.kubectl("apply", "-k", "testdata/overlay"); err != nil {
		t.Fatal(err)
	}
	if _, err := node.kubectl("rollout", "status", "-n", "leaktrace", "daemonset/leaktrace", "--timeout="+patience.String()); err != nil {
		out, _ := node.kubectl("get", "pods,events", "-n", "leaktrace")
		t.Fatalf("%v\n%s", err, out)
	}
	if err := await("a snapshot and the API server's answer", func() error {
		return has(series{"leaktrace_workload_source_up", labels{"source": "kubernetes"}}, 1)
	}); err != nil {
		t.Fatal(err)
	}
}

// rights is what the kernel lets the process do.
type rights struct {
	Effective, Permitted, Inheritable, Bounding, Ambient string
	NoNewPrivileges, Seccomp                             string
	RootReadOnly                                         bool
}

// runsUnprivileged compares with what the kernel says: of the four capabilities
// two are given up when the programs are attached.
func runsUnprivileged(t *testing.T) {
	out, err := node.kubectl("get", "pods", "-n", "leaktrace", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var any any
	if err := json.Unmarshal([]byte(out), &any); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out, `"privileged": true`) {
		t.Errorf("a privileged container:\n%s", out)
	}
	const sysPtrace, dacReadSearch, perfmon, bpf = 1 << 19, 1 << 2, 1 << 38, 1 << 39
	mask := func(m uint64) string { return fmt.Sprintf("%016x", m) }
	want := rights{
		Effective: mask(sysPtrace | dacReadSearch), Permitted: mask(sysPtrace | dacReadSearch), Inheritable: mask(0),
		Bounding: mask(sysPtrace | dacReadSearch | perfmon | bpf), Ambient: mask(0),
		NoNewPrivileges: "1", Seccomp: "2", RootReadOnly: true,
	}
	pid := leaktracePID(t)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads: %v", err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		field := func(name string) string {
			found := regexp.MustCompile(`(?m)^` + name + `:\s+(\S+)$`).FindSubmatch(status)
			if found == nil {
				t.Fatalf("no %s in\n%s", name, status)
			}
			return string(found[1])
		}
		got := rights{
			field("CapEff"), field("CapPrm"), field("CapInh"), field("CapBnd"), field("CapAmb"),
			field("NoNewPrivs"), field("Seccomp"), rootReadOnly(t, pid),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", task, diff)
		}
	}
}

// rootReadOnly tells whether a process can write to its root directory.
func rootReadOnly(t *testing.T, pid int) bool {
	t.Helper()
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^\S+ \S+ \S+ / / ro,`).Match(mounts)
}

// leaktracePID finds the process by its cgroup: the one of ours that has its name.
func leaktracePID(t *testing.T) int {
	t.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*/comm") // the pattern is well formed
	for _, path := range names {
		name, _ := os.ReadFile(path) // a process may end
		cgroup, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cgroup"))
		if string(name) == "leaktrace\n" && strings.Contains(string(cgroup), "/"+cgroupRoot+"/") {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("leaktrace does not run in any pod")
	return 0
}

// listensOnce looks for listeners among the sockets that the process has open.
func listensOnce(t *testing.T) {
	pid := leaktracePID(t)
	own := make(map[string]bool)
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // the pattern is well formed
	for _, link := range links {
		target, _ := os.Readlink(link) // it may be closed
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	var got []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			f := strings.Fields(line)
			const listening, unconnected = "0A", "07"
			if len(f) > 9 && own[f[9]] && (f[3] == listening || f[3] == unconnected) {
				got = append(got, table+" "+f[1])
			}
		}
	}
	if diff := cmp.Diff([]string{"tcp 0100007F:4BEB"}, got); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
}

// checkout is what all series of the leaking container say.
func checkout(name string, also labels) series {
	out := series{name, labels{"namespace": "shop", "pod": "checkout-0", "container": "cart", "comm": "demo", "node": "vm"}}
	for name, value := range also {
		out.labels[name] = value
	}
	return out
}

func namesLeaks(t *testing.T) {
	if _, err := node.kubectl("apply", "-f", "testdata/shop.yaml"); err != nil {
		t.Fatal(err)
	}
	for kind, site := range map[string]string{
		"zombie": "run_healthcheck", "unjoined-thread": "flush_metrics_async",
		"close-wait": "fetch_config", "thread": "start_analytics_pool",
	} {
		want := checkout("leaktrace_site_leaked_objects", labels{"kind": kind})
		want.labels["site"] = "~^" + site + ` \(demo\.c:\d+\)$`
		if err := await("a leak of kind "+kind, func() error { return has(want, 3) }); err != nil {
			t.Error(err)
		}
	}
}

func endsSeries(t *testing.T) {
	if _, err := node.kubectl("delete", "-f", "testdata/shop.yaml", "--wait=true"); err != nil {
		t.Fatal(err)
	}
	err := await("the end of the pod's series", func() error {
		found, err := scrape()
		if err != nil {
			return err
		}
		for _, s := range found {
			if s.labels["namespace"] == "shop" || s.labels["pod"] == "checkout-0" {
				return fmt.Errorf("there is still %s %v", s.name, s.labels)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// survivesAPIServer takes the API server away, for good.
func survivesAPIServer(t *testing.T) {
	pid := leaktracePID(t)
	node.end("apiserver", syscall.SIGKILL)
	if err := await("the loss to be told", func() error {
		return has(series{"leaktrace_workload_source_up", labels{"source": "kubernetes"}}, 0)
	}); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/healthz", "/readyz", "/debug/leaks", "/debug/pprof/leaks", "/"} {
		if body, err := get(path); err != nil {
			t.Errorf("%s: %v\n%s", path, err, body)
		}
	}
	if now := leaktracePID(t); now != pid {
		t.Errorf("process %d has become %d", pid, now)
	}
}
