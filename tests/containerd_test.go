package tests

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// containerd is one of the test's own: nothing of it is shared with the machine's.
type containerd struct {
	t      testing.TB
	socket string
	rootfs string
	cri    cri.RuntimeServiceClient
}

const containerdConfig = `version = 2
root = "%[1]s/root"
state = "%[1]s/state"
[grpc]
  address = "%[1]s/socket"
[debug]
  level = "warn"
[plugins."io.containerd.internal.v1.opt"]
  path = "%[1]s/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "` + image + `"
`

// startContainerd waits until its CRI answers, and ends it with the test.
func startContainerd(t testing.TB) *containerd {
	t.Helper()
	directory := t.TempDir()
	config := filepath.Join(directory, "config.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, containerdConfig, directory), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command("containerd", "-c", config)
	log := scratch(t)
	daemon.Stdout, daemon.Stderr = log, log
	if err := daemon.Start(); err != nil {
		t.Fatalf("start containerd: %v", err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(syscall.SIGTERM)
		_ = daemon.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("containerd said:\n%s", text)
		}
	})
	d := &containerd{t: t, socket: filepath.Join(directory, "socket"), rootfs: rootfs(t)}
	connection, err := grpc.NewClient("unix://"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	d.cri = cri.NewRuntimeServiceClient(connection)
	within(t, "containerd is ready", func() bool {
		_, err := d.cri.Status(t.Context(), &cri.StatusRequest{})
		return err == nil
	})
	return d
}

// ctr runs containerd's own client.
func (d *containerd) ctr(args ...string) string {
	d.t.Helper()
	output, err := exec.Command("ctr", append([]string{"-a", d.socket}, args...)...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("ctr %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return string(output)
}

// start starts a program in a container, in the cgroup, whatever runtime such a
// cgroup is usually of. t is the test that it ends with.
func (d *containerd) start(t testing.TB, id, cgroup, program string, args ...string) *contained {
	t.Helper()
	command := []string{"-a", d.socket, "run", "--rm", "--rootfs", "--cgroup", cgroup}
	for _, path := range bound() {
		command = append(command, "--mount", "type=bind,src="+path+",dst="+path+",options=rbind:ro")
	}
	command = append(append(command, d.rootfs, id, filepath.Join(programs, program)), args...)
	removeCgroup(t, cgroup)
	p := newProgram(t, "/usr/bin/ctr", command...)
	p.start((*exec.Cmd).Start)
	return &contained{p, d.pid("default", id)}
}

// pid is that of the first process of a container, here.
func (d *containerd) pid(namespace, id string) int {
	d.t.Helper()
	for line := range strings.Lines(d.ctr("-n", namespace, "task", "ls")) {
		var name string
		var pid int
		if _, err := fmt.Sscan(line, &name, &pid); err == nil && name == id {
			return pid
		}
	}
	d.t.Fatalf("containerd has no task %s", id)
	return 0
}

// image is what sandboxes are made of, and pods.
const image = "registry.k8s.io/pause:3.6"

// load makes the image, of busybox alone.
func (d *containerd) load() {
	d.t.Helper()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		d.t.Fatal(err)
	}
	layer := archive(d.t, []tarred{{"pause", busybox}, {"sleep", busybox}})
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/sleep", "infinity"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	manifest := `[{"Config":"config.json","RepoTags":["` + image + `"],"Layers":["layer.tar"]}]`
	path := filepath.Join(d.t.TempDir(), "image.tar")
	whole := archive(d.t, []tarred{{"layer.tar", layer}, {"config.json", config}, {"manifest.json", []byte(manifest)}})
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		d.t.Fatal(err)
	}
	d.ctr("-n", "k8s.io", "image", "import", path)
}

type tarred struct {
	name string
	data []byte
}

func archive(t testing.TB, files []tarred) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o755, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// startPod starts a pod with a container that sleeps, in the cgroup, as a kubelet has
// it done, and returns the ids of its sandbox and of the container.
func (d *containerd) startPod(namespace, name, uid, container, cgroup string) (sandbox, id string) {
	d.t.Helper()
	d.load()
	removeCgroup(d.t, cgroup)
	labels := map[string]string{"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace, "io.kubernetes.pod.uid": uid}
	network := &cri.NamespaceOption{Network: cri.NamespaceMode_NODE}
	config := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: namespace, Uid: uid},
		Labels:   maps.Clone(labels),
		Linux: &cri.LinuxPodSandboxConfig{CgroupParent: cgroup,
			SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: network}},
	}
	ran, err := d.cri.RunPodSandbox(d.t.Context(), &cri.RunPodSandboxRequest{Config: config})
	d.must("run a sandbox", err)
	d.t.Cleanup(func() { d.removePod(ran.PodSandboxId) })
	labels["io.kubernetes.container.name"] = container
	created, err := d.cri.CreateContainer(d.t.Context(), &cri.CreateContainerRequest{
		PodSandboxId: ran.PodSandboxId, SandboxConfig: config, Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: container}, Image: &cri.ImageSpec{Image: image}, Labels: labels,
			Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: network}},
		}})
	d.must("create a container", err)
	_, err = d.cri.StartContainer(d.t.Context(), &cri.StartContainerRequest{ContainerId: created.ContainerId})
	d.must("start a container", err)
	return ran.PodSandboxId, created.ContainerId
}

// removePod ends a pod. One that is gone already is no error.
func (d *containerd) removePod(sandbox string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(d.t.Context()), patience)
	defer cancel()
	if _, err := d.cri.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: sandbox}); err != nil {
		d.t.Errorf("remove the pod: %v", err)
	}
}

func (d *containerd) must(what string, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatalf("%s: %v", what, err)
	}
}
