package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The seccomp profile forbids what an exporter never does, also to one that has
// every capability. Without the profile nothing of that is refused, so it is the
// profile that refuses.
func TestSeccompProfile(t *testing.T) {
	text, err := os.ReadFile("../deploy/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	var profile map[string]any
	if err := json.Unmarshal(text, &profile); err != nil {
		t.Fatal(err)
	}
	let := runContained(t, nil)
	if refused := refusedOf(let); len(refused) > 0 {
		t.Errorf("without a profile these are refused: %q\n%s", refused, let)
	}
	want := []string{
		"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "clone of a process", "ptrace",
		"process_vm_writev", "kill", "pidfd_getfd", "open_by_handle_at", "unlinkat", "keyctl", "socket of packets",
	}
	if diff := cmp.Diff(want, refusedOf(runContained(t, profile))); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
}

// refusedOf lists what the program says was refused.
func refusedOf(output string) []string {
	var out []string
	for _, line := range strings.Split(output, "\n") {
		if name, ok := strings.CutSuffix(line, " refused"); ok {
			out = append(out, name)
		}
	}
	return out
}

// runContained runs the program forbidden in a container with all capabilities.
func runContained(t *testing.T, profile map[string]any) string {
	t.Helper()
	bundle := t.TempDir()
	root := filepath.Join(bundle, "rootfs")
	for _, dir := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyProgram(t, "forbidden", filepath.Join(root, "forbidden"))
	all := []string{
		"CAP_SYS_ADMIN", "CAP_SYS_PTRACE", "CAP_SYS_CHROOT", "CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE",
		"CAP_KILL", "CAP_NET_RAW", "CAP_BPF", "CAP_PERFMON",
	}
	spec := map[string]any{
		"ociVersion": "1.0.2",
		"root":       map[string]any{"path": "rootfs", "readonly": true},
		"process": map[string]any{
			"args": []string{"/forbidden"}, "cwd": "/", "user": map[string]int{"uid": 0, "gid": 0}, "noNewPrivileges": true,
			"capabilities": map[string]any{"bounding": all, "effective": all, "permitted": all},
		},
		"mounts": []any{map[string]any{"destination": "/proc", "type": "proc", "source": "proc"}},
		"linux": map[string]any{
			"namespaces": []any{map[string]string{"type": "mount"}, map[string]string{"type": "pid"}},
			"seccomp":    profile,
		},
	}
	if profile == nil {
		delete(spec["linux"].(map[string]any), "seccomp")
	}
	text, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	runc := exec.Command("runc", "--root", filepath.Join(bundle, "state"), "run", "--bundle", bundle, fmt.Sprintf("leaktrace-test-%d", os.Getpid()))
	runc.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	output, err := runc.CombinedOutput()
	if err != nil {
		t.Fatalf("run a container: %v\n%s", err, output)
	}
	return string(output)
}
