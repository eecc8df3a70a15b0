package tests

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/export/workload"
)

// contained is a program of ours in a container. program.pid is what it says itself:
// its pid there.
type contained struct {
	*program
	host int // its pid here
}

// bound are the directories that a container has from this machine, read-only: what
// dynamic programs need, and the programs.
func bound() []string {
	paths := []string{programs}
	for _, path := range []string{"/usr", "/bin", "/lib", "/lib64"} {
		if info, err := os.Lstat(path); err == nil && info.IsDir() {
			paths = append(paths, path)
		}
	}
	return paths
}

// rootfs is a root for containers, but for what is bound.
func rootfs(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for _, path := range append(bound(), "/dev", "/proc", "/sys", "/tmp", "/etc", "/run") {
		if err := os.MkdirAll(filepath.Join(root, path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"/bin", "/lib", "/lib64"} {
		if target, err := os.Readlink(path); err == nil {
			if err := os.Symlink(target, filepath.Join(root, path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

// removeCgroup removes, when the test has ended, what no runtime does: the parents of
// a container's cgroup that are not there yet.
func removeCgroup(t testing.TB, cgroup string) {
	t.Helper()
	hierarchies, err := filepath.Glob("/sys/fs/cgroup/*")
	if err != nil {
		t.Fatal(err)
	}
	var missing []string
	for _, hierarchy := range append(hierarchies, "/sys/fs/cgroup") {
		for path := cgroup; path != "/"; path = filepath.Dir(path) {
			if _, err := os.Stat(hierarchy + path); err != nil {
				missing = append(missing, hierarchy+path)
			}
		}
	}
	t.Cleanup(func() {
		for _, path := range missing {
			_ = os.Remove(path)
		}
	})
}

// cgroups are the paths of a process, by hierarchy: 0 is v2.
func cgroups(t testing.TB, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		t.Fatal(err)
	}
	paths := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) != 3 {
			t.Fatalf("/proc/%d/cgroup has a line %q", pid, line)
		}
		paths[parts[0]] = parts[2]
	}
	return paths
}

// same is the one path of all hierarchies.
func same(t testing.TB, paths map[string]string) string {
	t.Helper()
	one := paths["0"]
	for hierarchy, path := range paths {
		if path != one {
			t.Errorf("hierarchy %s has %q, v2 has %q", hierarchy, path, one)
		}
	}
	return one
}

// podman has a store of the test's own.
type podman struct {
	t         testing.TB
	directory string
	rootfs    string
}

func newPodman(t testing.TB) *podman {
	return &podman{t: t, directory: t.TempDir(), rootfs: rootfs(t)}
}

func (p *podman) command(args ...string) []string {
	at := func(name string) string { return filepath.Join(p.directory, name) }
	return append([]string{"--root", at("root"), "--runroot", at("runroot"), "--tmpdir", at("tmp"),
		"--storage-driver", "vfs", "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none"}, args...)
}

// start starts a program in a container of the name.
func (p *podman) start(name, program string, args ...string) *contained {
	p.t.Helper()
	command := p.command("run", "-i", "--rm", "--name", name, "--network", "none",
		"--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1024:1024")
	for _, path := range bound() {
		command = append(command, "-v", path+":"+path+":ro")
	}
	command = append(append(command, "--rootfs", p.rootfs, filepath.Join(programs, program)), args...)
	removeCgroup(p.t, "/libpod_parent/conmon")
	started := newProgram(p.t, "/usr/bin/podman", command...)
	started.start((*exec.Cmd).Start)
	output, err := exec.Command("podman", p.command("inspect", "-f", "{{.State.Pid}}", name)...).CombinedOutput()
	if err != nil {
		p.t.Fatalf("podman inspect: %v\n%s", err, output)
	}
	c := &contained{program: started}
	if _, err := fmt.Sscan(string(output), &c.host); err != nil {
		p.t.Fatalf("podman inspect said %q: %v", output, err)
	}
	return c
}

// serve has podman speak Docker's API, at the socket.
func (p *podman) serve() (socket string) {
	p.t.Helper()
	socket = filepath.Join(p.directory, "docker.sock")
	service := exec.Command("podman", p.command("system", "service", "--time=0", "unix://"+socket)...)
	if err := service.Start(); err != nil {
		p.t.Fatalf("start podman's service: %v", err)
	}
	p.t.Cleanup(func() {
		_ = service.Process.Signal(os.Interrupt)
		_ = service.Wait()
	})
	within(p.t, "podman's service has a socket", func() bool {
		_, err := os.Stat(socket)
		return err == nil
	})
	return socket
}

// within waits, with a deadline.
func within(t testing.TB, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in %v", what, patience)
		}
	}
}

// directory asks only what the options name.
func directory(t *testing.T, options workload.Options) *workload.Directory {
	t.Helper()
	t.Setenv("KUBECONFIG", "")
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, places := range []*[]string{&options.CRI, &options.Docker, &options.Podman} {
		if *places == nil {
			*places = []string{}
		}
	}
	d, err := workload.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return d
}

// named waits until a cgroup has its owner.
func named(t *testing.T, d *workload.Directory, cgroup string, want workload.Workload) {
	t.Helper()
	within(t, fmt.Sprintf("%s is of %+v (it is of %+v)", cgroup, want, d.Of(cgroup)), func() bool { return d.Of(cgroup) == want })
}

// Real containers in cgroups of every layout that runtimes make: v1's lines and v2's
// say the same.
func TestContainerCgroups(t *testing.T) {
	const (
		id  = "0f3d21a6a1b3f8c7d9e0b5a4c6d7e8f90123456789abcdef0123456789abcdef"
		uid = "8e5f3c1a-90ab-4cde-8f01-23456789abcd"
	)
	slice := "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(uid, "-", "_") + ".slice/"
	d := startContainerd(t)
	for _, test := range []struct {
		name, cgroup string
		want         workload.ID
	}{
		{"kubelet", "/kubepods/burstable/pod" + uid + "/" + id, workload.ID{Container: id, PodUID: uid}},
		{"kubelet-systemd", slice + "cri-containerd-" + id + ".scope", workload.ID{Container: id, PodUID: uid, Runtime: "containerd"}},
		{"cri-o", slice + "crio-" + id + ".scope", workload.ID{Container: id, PodUID: uid, Runtime: "cri-o"}},
		{"docker", "/docker/" + id, workload.ID{Container: id, Runtime: "docker"}},
		{"docker-systemd", "/system.slice/docker-" + id + ".scope", workload.ID{Container: id, Runtime: "docker"}},
		{"podman-systemd", "/machine.slice/libpod-" + id + ".scope/container", workload.ID{Container: id, Runtime: "podman"}},
		{"service", "/system.slice/web.service", workload.ID{Unit: "web.service"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := d.start(t, test.name, test.cgroup, "stacks")
			paths := cgroups(t, c.host)
			if paths["0"] == "" {
				t.Errorf("no line of v2 in %v", paths)
			}
			for hierarchy, path := range paths {
				if diff := cmp.Diff(test.want, workload.Parse(path)); diff != "" {
					t.Errorf("hierarchy %s: %s (-want +got):\n%s", hierarchy, path, diff)
				}
			}
			if c.pid != 1 {
				t.Errorf("the program says that it is %d, so it is in no container", c.pid)
			}
		})
	}
}

// A pod's containers have the names that the CRI knows, from their start to a while
// after their end.
func TestContainersOfCRI(t *testing.T) {
	c := startContainerd(t)
	d := directory(t, workload.Options{CRI: []string{c.socket}})
	within(t, "the CRI is a source", func() bool {
		return cmp.Equal([]workload.SourceState{{Name: "cri", Up: true}}, d.Sources())
	})
	const uid = "8e5f3c1a-90ab-4cde-8f01-23456789abcd"
	sandbox, id := c.startPod("prod", "web-0", uid, "web", "/kubepods/burstable/pod"+uid)
	inSandbox := same(t, cgroups(t, c.pid("k8s.io", sandbox)))
	inContainer := same(t, cgroups(t, c.pid("k8s.io", id)))
	web := workload.Workload{Namespace: "prod", Pod: "web-0", Container: "web"}
	named(t, d, inContainer, web)
	named(t, d, inSandbox, workload.Workload{Namespace: "prod", Pod: "web-0", Container: "POD"})
	c.removePod(sandbox)
	if diff := cmp.Diff(web, d.Of(inContainer)); diff != "" {
		t.Errorf("after its end (-want +got):\n%s", diff)
	}
}

// podman's containers have their names by its store, and by Docker's API, which it
// speaks too.
func TestContainersOfPodman(t *testing.T) {
	p := newPodman(t)
	c := p.start("shop", "stacks")
	cgroup := same(t, cgroups(t, c.host))
	if !regexp.MustCompile(`^/libpod_parent/libpod-[0-9a-f]{64}$`).MatchString(cgroup) {
		t.Errorf("podman's cgroup is %s", cgroup)
	}
	for name, options := range map[string]workload.Options{
		"podman": {Podman: []string{filepath.Join(p.directory, "root", "*-containers", "containers.json")}},
		"docker": {Docker: []string{p.serve()}},
	} {
		t.Run(name, func(t *testing.T) {
			d := directory(t, options)
			named(t, d, cgroup, workload.Workload{Container: "shop"})
			if diff := cmp.Diff([]workload.SourceState{{Name: name, Up: true}}, d.Sources()); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		d := directory(t, workload.Options{})
		if diff := cmp.Diff(workload.Workload{Container: workload.Parse(cgroup).Container[:12]}, d.Of(cgroup)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}
