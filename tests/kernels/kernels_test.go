//go:build kernels

// Package kernels runs the tests of ../ on other kernels than this machine's:
// `make test-kernels`. Each is a guest without a disk or a network in qemu, which
// emulates the processor.
package kernels

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// series are the kernels that leaktrace is tested on: the oldest that works and
// those of current distributions. Of each the newest that Debian has is taken.
var series = []string{"6.1", "6.12", "6.18", "7"}

// exclusions are the tests that do not run in a guest, or only not on one kernel,
// and why.
var exclusions = []struct{ kernel, test, reason string }{
	{"", "TestContainerCgroups", "containers take a root that can be pivoted, which an initramfs is not"},
	{"", "TestContainersOfCRI", "as above"},
	{"", "TestContainersOfPodman", "as above"},
	{"", "TestExportContainers", "as above"},
	{"", "TestScripts/java", "a JVM compiles itself for minutes on an emulated processor"},
	{"", "TestScripts/goroutines", "goroutines are read without the kernel, and a look at them costs an emulated processor so much that looks are rare"},
	{"", "TestScripts/verify_goroutines", "as above"},
	{"", "TestScripts/export_goroutines", "as above"},
	{"", "TestScripts/exec_goroutines", "as above"},
	{"", "TestSeccompProfile", "a guest has no container runtime"},
	{"6.1", "TestLostStorage", "there a full memory cgroup has refused none of 10,000 records"},
	{"6.1", "TestLimitOfStacks", "there a thread's stack is taken for 12 KiB more than its MiB; why was not found out"},
	{"6.1", "TestRights/without_sys_ptrace", "there the whole process is refused, not only its stacks"},
	{"6.12", "TestRights/without_sys_ptrace", "as on 6.1"},
	{"6.1", "TestScripts/streaming", "its connection is only written to, and writes are seen from 6.3 on"},
}

// only is for a closer look at a failure.
var only = flag.String("only", ".", "run just the tests of ../ that match, in the syntax of go test -run")

// limit is for a guest that has a processor of its own half of the time: it takes an
// hour where it has one, and two with 7.x.
const limit = 4 * time.Hour

func TestKernels(t *testing.T) {
	directory, err := filepath.Abs("../../build/kernels")
	if err != nil {
		t.Fatal(err)
	}
	build(t, "./fetch.sh", append([]string{directory}, series...)...)
	build(t, "./image.sh", directory)
	for _, kernel := range series {
		t.Run(kernel, func(t *testing.T) {
			t.Parallel()
			report(t, boot(t, directory, kernel))
		})
	}
}

func build(t *testing.T, script string, args ...string) {
	t.Helper()
	if output, err := exec.Command(script, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, output)
	}
}

// boot runs a guest to its end and returns what its second serial line said.
// With -icount the guest's time is the number of instructions it has executed,
// so its clock waits for it: a test may take long here, and does not there. One
// processor, for a second one does not start on 6.1 with -icount.
func boot(t *testing.T, directory, kernel string) []byte {
	t.Helper()
	at := func(suffix string) string { return filepath.Join(directory, kernel+suffix) }
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	qemu := exec.CommandContext(ctx, "qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max",
		"-icount", "shift=0,sleep=off", "-m", "3G", "-nodefaults", "-nographic", "-no-reboot",
		"-serial", "file:"+at(".console"), "-serial", "file:"+at(".output"),
		"-kernel", at(""), "-initrd", filepath.Join(directory, "image"),
		"-append", "console=ttyS0 panic=-1 quiet tests: "+arguments(t, kernel))
	if output, err := qemu.CombinedOutput(); err != nil {
		t.Fatalf("run qemu: %v\n%s", err, output)
	}
	output, err := os.ReadFile(at(".output"))
	if err != nil {
		t.Fatal(err)
	}
	version, _ := os.ReadFile(at(".version"))
	t.Logf("Debian's kernel %s, %s", bytes.TrimSpace(version), time.Since(began).Round(time.Second))
	return output
}

// arguments are the repository, and flags of its tests, as init reads them.
func arguments(t *testing.T, kernel string) string {
	t.Helper()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	var skip []string
	for _, e := range exclusions {
		if e.kernel == "" || e.kernel == kernel {
			t.Logf("without %s: %s", e.test, e.reason)
			skip = append(skip, "^"+strings.ReplaceAll(e.test, "/", "$/^")+"$")
		}
	}
	return fmt.Sprintf("%s -test.run '%s' -test.skip '%s'", repository, *only, strings.Join(skip, "|"))
}

// event is a line of `go tool test2json`.
type event struct {
	Action, Test, Output string
	Elapsed              float64
}

// report makes a subtest of every test that ran in a guest. A test that was
// skipped there has failed, and so has a guest that did not come to its end.
func report(t *testing.T, output []byte) {
	t.Helper()
	convert := exec.Command("go", "tool", "test2json")
	convert.Stdin = bytes.NewReader(output)
	converted, err := convert.Output()
	if err != nil {
		t.Fatalf("go tool test2json: %v", err)
	}
	said := make(map[string]*strings.Builder)
	for events := json.NewDecoder(bytes.NewReader(converted)); events.More(); {
		var e event
		if err := events.Decode(&e); err != nil {
			t.Fatalf("read what test2json says: %v", err)
		}
		if said[e.Test] == nil {
			said[e.Test] = new(strings.Builder)
		}
		said[e.Test].WriteString(e.Output)
		if e.Test != "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip") {
			t.Run(e.Test, func(t *testing.T) {
				if e.Action != "pass" {
					t.Errorf("%s in %.1fs of the guest's\n%s", e.Action, e.Elapsed, said[e.Test])
				}
			})
		}
	}
	if whole := said[""]; whole == nil || !strings.Contains(whole.String(), "\nexit 0\n") {
		t.Errorf("the guest's tests did not all pass:\n%s", whole)
	}
}
