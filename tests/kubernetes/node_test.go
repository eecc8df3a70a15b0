package kubernetes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// enterNamespace is what containerd's process does first. It and the kubelet are in
// a mount namespace of their own, so that no mount of theirs outlives them. The
// kubelet writes some sysctls: there they are files.
const enterNamespace = `
for name in vm/overcommit_memory kernel/panic kernel/panic_on_oops; do
	cat /proc/sys/$name >"$0/${name##*/}" && mount --bind "$0/${name##*/}" /proc/sys/$name || exit
done
mount --make-rshared / && exec containerd --config "$0/containerd.toml"`

// startNode starts containerd and the kubelet.
func (c *cluster) startNode() error {
	for name, file := range map[string]string{"containerd.toml": "testdata/containerd.toml", "kubelet.yaml": "testdata/kubelet.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		filled := strings.NewReplacer("DIR", c.dir, "ROOT", cgroupRoot).Replace(string(text))
		if err := c.write(name, []byte(filled)); err != nil {
			return err
		}
	}
	if err := c.installProfile(); err != nil {
		return err
	}
	if err := c.start("containerd", "unshare", "--mount", "--propagation=private", "sh", "-c", enterNamespace, c.dir); err != nil {
		return err
	}
	if err := await("containerd", func() error { _, err := c.ctr("version"); return err }); err != nil {
		return fmt.Errorf("%w\n%s", err, c.said("containerd"))
	}
	if err := c.loadImages(); err != nil {
		return err
	}
	holder := c.started[len(c.started)-1].cmd.Process.Pid
	return c.start("kubelet", "nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", holder), c.program("kube"), "kubelet",
		"--config="+c.path("kubelet.yaml"), "--kubeconfig="+c.path("kubeconfig"), "--root-dir="+c.path("kubelet"),
		"--cert-dir="+c.path("pki"), "--hostname-override=vm")
}

// installProfile puts the seccomp profile where deploy/kubernetes/seccomp wants it.
func (c *cluster) installProfile() error {
	profile, err := os.ReadFile("../../deploy/seccomp.json")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.path("kubelet/seccomp"), 0o755); err != nil {
		return err
	}
	return c.write("kubelet/seccomp/leaktrace.json", profile)
}

func (c *cluster) ctr(args ...string) (string, error) {
	out, err := exec.Command("ctr", append([]string{"--address", c.path("containerd.sock"), "--namespace", "k8s.io"}, args...)...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("ctr %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// hierarchies are the directories of cgroup v2 or of every controller of v1.
func hierarchies() []string {
	if _, err := os.Stat("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return []string{"/sys/fs/cgroup"}
	}
	dirs, _ := filepath.Glob("/sys/fs/cgroup/*/cgroup.procs") // the pattern is well formed
	for i, dir := range dirs {
		dirs[i] = filepath.Dir(dir)
	}
	return dirs
}

// makeCgroups makes the cgroup of all pods.
func makeCgroups() error {
	for _, dir := range hierarchies() {
		root := filepath.Join(dir, cgroupRoot)
		if err := os.MkdirAll(root, 0o755); err != nil {
			return err
		}
		// A cpuset of v1 begins empty, and nothing can run in it.
		for _, name := range []string{"cpuset.cpus", "cpuset.mems"} {
			content, err := os.ReadFile(filepath.Join(dir, name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err = errors.Join(err, os.WriteFile(filepath.Join(root, name), content, 0)); err != nil {
				return err
			}
		}
	}
	return nil
}

// stop ends everything and leaves the machine as it was.
func (c *cluster) stop() error {
	c.end("kubelet", syscall.SIGTERM)
	errs := []error{c.endPods()}
	for i := len(c.started) - 1; i >= 0; i-- {
		c.end(c.started[i].name, syscall.SIGTERM)
	}
	errs = append(errs, removeCgroups())
	if c.dir != "" {
		errs = append(errs, os.RemoveAll(c.dir))
	}
	return errors.Join(errs...)
}

// endPods kills all processes of pods, and then what containerd left to watch them.
func (c *cluster) endPods() error {
	return await("the end of all containers", func() error {
		var left []int
		for _, dir := range hierarchies() {
			err := filepath.WalkDir(filepath.Join(dir, cgroupRoot), func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.Name() == "cgroup.procs" {
					left = append(left, readPIDs(path)...)
				}
				return nil // what is gone is well gone
			})
			if err != nil {
				return err
			}
		}
		left = append(left, c.shims()...)
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL) // or it has ended
		}
		if len(left) > 0 {
			return fmt.Errorf("processes %v are still there", left)
		}
		return nil
	})
}

// shims are containerd's processes that stay with each pod.
func (c *cluster) shims() []int {
	var out []int
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is well formed
	for _, path := range commands {
		command, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(command), "containerd-shim") || !strings.Contains(string(command), c.path("containerd.sock")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

func readPIDs(path string) []int {
	text, _ := os.ReadFile(path) // a cgroup that is gone has none
	var out []int
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			out = append(out, pid)
		}
	}
	return out
}

// removeCgroups removes the cgroup of all pods, from the leaves up.
func removeCgroups() error {
	return await("empty cgroups", func() error {
		var errs []error
		for _, dir := range hierarchies() {
			var found []string
			_ = filepath.WalkDir(filepath.Join(dir, cgroupRoot), func(path string, entry fs.DirEntry, err error) error {
				if err == nil && entry.IsDir() {
					found = append(found, path)
				}
				return nil
			})
			for i := len(found) - 1; i >= 0; i-- {
				if err := os.Remove(found[i]); !errors.Is(err, fs.ErrNotExist) {
					errs = append(errs, err)
				}
			}
		}
		return errors.Join(errs...)
	})
}
