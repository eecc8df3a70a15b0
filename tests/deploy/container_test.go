package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

const imageName = "docker.io/library/leaktrace:dev"

// TestImageRuns starts the image as the DaemonSet does: a read-only root, the
// node's process ids, and four capabilities.
func TestImageRuns(t *testing.T) {
	dir := startContainerd(t)
	rootfs := filepath.Join(dir, "rootfs")
	must(t, os.Mkdir(rootfs, 0o700))
	ctr(t, dir, "image", "import", built(t, "leaktrace-image.tar"))
	ctr(t, dir, "image", "mount", "--rw", imageName, rootfs)
	t.Cleanup(func() { ctr(t, dir, "image", "unmount", rootfs) })

	report := run(t, "runc", container(t, rootfs, asPod, "doctor")...)
	for _, line := range []string{`ok +capabilities +CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH`, `ok +pid namespace`, `ok +kernel types \(BTF\)`, `ok +cgroups`} {
		if !regexp.MustCompile(line).MatchString(report) {
			t.Errorf("doctor does not say %q:\n%s", line, report)
		}
	}

	address := freeAddress(t)
	start(t, "runc", container(t, rootfs, asPod, "export", "--listen", address)...)
	eventually(t, "leaktrace in a container", func() error {
		response, err := http.Get("http://" + address + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", response.Status)
		}
		return nil
	})
}

// container makes a bundle for runc, confined in a way, and returns the arguments that
// run it.
func container(t *testing.T, rootfs string, confine func(*testing.T, object), args ...string) []string {
	t.Helper()
	bundle := t.TempDir()
	run(t, "runc", "spec", "--bundle", bundle)
	file := filepath.Join(bundle, "config.json")
	text, err := os.ReadFile(file)
	must(t, err)
	var spec object
	must(t, json.Unmarshal(text, &spec))

	process := spec["process"].(object)
	process["terminal"] = false
	process["args"] = append([]string{"/leaktrace"}, args...)
	spec["root"] = object{"path": rootfs, "readonly": true}
	// Without a namespace of its own it is in the node's.
	spec["linux"].(object)["namespaces"] = []object{{"type": "mount"}, {"type": "ipc"}, {"type": "uts"}}
	spec["mounts"] = append(spec["mounts"].([]any), object{
		"destination": "/sys/fs/cgroup", "type": "bind", "source": "/sys/fs/cgroup", "options": []string{"rbind", "ro"},
	})
	confine(t, spec)
	text, err = json.Marshal(spec)
	must(t, err)
	must(t, os.WriteFile(file, text, 0o600))
	return []string{"run", "--bundle", bundle, fmt.Sprintf("leaktrace-test-%d-%s", os.Getpid(), args[0])}
}

// asPod gives a container the capabilities that the DaemonSet asks for.
func asPod(t *testing.T, spec object) {
	t.Helper()
	daemons := objectsOf(t, kustomized(t))["DaemonSet leaktrace"]
	var added []string
	for _, c := range at(daemons, "spec", "template", "spec", "containers", 0, "securityContext", "capabilities", "add").([]any) {
		added = append(added, "CAP_"+c.(string))
	}
	spec["process"].(object)["capabilities"] = object{"bounding": added, "effective": added, "permitted": added}
}

// startContainerd runs a containerd of the test's own, in the directory it returns.
func startContainerd(t *testing.T) (dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "leaktrace") // a socket's path has to be short
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := writeFile(t, dir, "containerd.toml", fmt.Appendf(nil,
		"version = 2\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		filepath.Join(dir, "root"), filepath.Join(dir, "state"), filepath.Join(dir, "c.sock")))
	start(t, "containerd", "-c", config)
	eventually(t, "containerd", func() error {
		said, err := exec.Command("ctr", "-a", filepath.Join(dir, "c.sock"), "version").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	})
	return dir
}

// ctr speaks to the containerd in a directory.
func ctr(t *testing.T, dir string, args ...string) {
	t.Helper()
	run(t, "ctr", append([]string{"-a", filepath.Join(dir, "c.sock"), "-n", "test"}, args...)...)
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
