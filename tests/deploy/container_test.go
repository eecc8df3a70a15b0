package deploy

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const imageName = "docker.io/library/leaktrace:dev"

// TestImageRuns starts the image as the DaemonSet does: a read-only root, the
// node's process ids, the runtime's own seccomp profile, and four capabilities.
func TestImageRuns(t *testing.T) {
	ctr := startContainerd(t)
	run(t, "ctr", ctr("image", "import", built(t, "leaktrace-image.tar"))...)
	options := append([]string{"run", "--rm", "--read-only", "--seccomp", "--net-host", "--with-ns", "pid:/proc/1/ns/pid",
		"--mount", "type=bind,src=/sys/fs/cgroup,dst=/sys/fs/cgroup,options=rbind:ro"}, rights(t)...)
	container := func(name string, args ...string) []string {
		return ctr(slices.Concat(options, []string{imageName, name, "/leaktrace"}, args)...)
	}

	report := run(t, "ctr", container("doctor", "doctor")...)
	for _, line := range []string{`capabilities +ok`, `pid namespace +ok`, `kernel types \(BTF\) +ok`, `cgroups +ok`} {
		if !regexp.MustCompile(line).MatchString(report) {
			t.Errorf("doctor does not say %q:\n%s", line, report)
		}
	}

	address := freeAddress(t)
	export := exec.Command("ctr", container("export", "export", "--listen", address)...)
	var said output
	export.Stdout, export.Stderr = &said, &said
	must(t, export.Start())
	t.Cleanup(func() {
		_ = exec.Command("ctr", ctr("task", "kill", "-s", "SIGTERM", "export")...).Run()
		if err := export.Wait(); err != nil {
			t.Errorf("leaktrace ended with %v\n%s", err, said.String())
		}
	})
	eventually(t, "leaktrace in a container", func() error {
		response, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return fmt.Errorf("%w\n%s", err, said.String())
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", response.Status)
		}
		return nil
	})
}

// rights are the capabilities of the DaemonSet, in place of ctr's defaults.
func rights(t *testing.T) []string {
	t.Helper()
	var options []string
	for _, c := range strings.Fields("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE") {
		options = append(options, "--cap-drop", "CAP_"+c)
	}
	daemons := objectsOf(t, kustomized(t))["DaemonSet leaktrace"]
	added := at(daemons, "spec", "template", "spec", "containers", 0, "securityContext", "capabilities", "add").([]any)
	for _, c := range added {
		options = append(options, "--cap-add", "CAP_"+c.(string))
	}
	return options
}

// startContainerd runs a containerd of the test's own, and returns what makes
// arguments into those of its ctr.
func startContainerd(t *testing.T) func(args ...string) []string {
	t.Helper()
	dir, err := os.MkdirTemp("", "leaktrace") // a socket's path has to be short
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "c.sock")
	config := writeFile(t, dir, "containerd.toml", fmt.Appendf(nil,
		"version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket))
	start(t, "containerd", "-c", config)
	ctr := func(args ...string) []string { return append([]string{"-a", socket, "-n", "test"}, args...) }
	eventually(t, "containerd", func() error {
		said, err := exec.Command("ctr", ctr("version")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	})
	return ctr
}

// TestImageIsReproducible builds it again.
func TestImageIsReproducible(t *testing.T) {
	again := t.TempDir()
	build := exec.Command("go", "run", "./deploy/image", "-out", again)
	build.Dir = "../.."
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	for _, name := range []string{"leaktrace-amd64", "leaktrace-arm64", "leaktrace-image.tar", "leaktrace-image/index.json"} {
		first, err := os.ReadFile(built(t, name))
		must(t, err)
		second, err := os.ReadFile(filepath.Join(again, name))
		must(t, err)
		if string(first) != string(second) {
			t.Errorf("%s differs from one build to the next", name)
		}
	}
}
