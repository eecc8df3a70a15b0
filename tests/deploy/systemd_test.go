package deploy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exposure is what systemd may find at most, of 100: 0 is a service that can do
// nothing. leaktrace has to read processes of others, the network and the kernel.
const exposure = "--threshold=26"

func TestUnit(t *testing.T) {
	unit := readFile(t, "systemd/leaktrace.service")
	installed := bytes.Replace(unit, []byte("/usr/local/bin/leaktrace"), []byte(built(t, "leaktrace")), 1)
	file := writeFile(t, t.TempDir(), "leaktrace.service", installed)
	if said := run(t, "systemd-analyze", "verify", file); said != "" {
		t.Error(said)
	}
	run(t, "systemd-analyze", "security", "--offline=true", exposure, file)
}

// TestUnitRuns has runc do what systemd would: there is a systemd on few machines that
// test. Of the unit it takes the system calls, the families of addresses, the
// capabilities and a user that is not root.
func TestUnitRuns(t *testing.T) {
	leaktrace, err := os.ReadFile(built(t, "leaktrace"))
	must(t, err)
	rootfs := t.TempDir()
	must(t, os.Chmod(rootfs, 0o755))
	must(t, os.Chmod(filepath.Dir(rootfs), 0o755))
	must(t, os.WriteFile(filepath.Join(rootfs, "leaktrace"), leaktrace, 0o755))
	must(t, os.WriteFile(filepath.Join(rootfs, "leaktrace.yml"), []byte(quick), 0o644))

	u := readUnit(t)
	address := freeAddress(t)
	leak(t)
	start(t, "runc", container(t, rootfs, u.confine, "export", "--listen", address, "--config", "/leaktrace.yml")...)
	for _, site := range []string{"start_analytics_pool", "flush_metrics_async", "run_healthcheck", "fetch_config"} {
		eventually(t, "a leak", func() error {
			return shows("http://"+address+"/metrics", `(?m)^leaktrace_site_leaked_objects\{.*comm="demo-deploy".*`+site)
		})
	}
	eventually(t, "where threads wait", func() error {
		return shows("http://"+address+"/debug/leaks", `"await_work"`)
	})
}

// shows asks for a page until it matches.
func shows(url, pattern string) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !regexp.MustCompile(pattern).Match(body) {
		err = fmt.Errorf("%s shows no %s", url, pattern)
	}
	return err
}

// unit is the settings of a unit's file, each as often as it is there.
type unit map[string][]string

func readUnit(t *testing.T) unit {
	t.Helper()
	u := unit{}
	for line := range strings.Lines(string(readFile(t, "systemd/leaktrace.service"))) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && !strings.HasPrefix(key, "#") {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// confine does to a container what the unit has systemd do to a service.
func (u unit) confine(t *testing.T, spec object) {
	t.Helper()
	process := spec["process"].(object)
	process["user"] = object{"uid": 61184, "gid": 61184} // the first that DynamicUser gives
	process["noNewPrivileges"] = true
	capabilities := object{}
	for set, key := range map[string]string{
		"bounding": "CapabilityBoundingSet", "permitted": "AmbientCapabilities", "effective": "AmbientCapabilities",
		"inheritable": "AmbientCapabilities", "ambient": "AmbientCapabilities",
	} {
		capabilities[set] = strings.Fields(u[key][0])
	}
	process["capabilities"] = capabilities
	spec["linux"].(object)["seccomp"] = u.seccomp(t)
}

// seccomp is the unit's filters of system calls, as a profile of runc.
func (u unit) seccomp(t *testing.T) object {
	t.Helper()
	const errno = 1 // EPERM, the unit's SystemCallErrorNumber
	names := u.calls(t)
	remove := func(call string) { names = slices.DeleteFunc(names, func(name string) bool { return name == call }) }
	var rules []object
	allow := func(call string, index, mask, value int) {
		remove(call)
		rules = append(rules, object{"names": []string{call}, "action": "SCMP_ACT_ALLOW", "args": []object{
			{"index": index, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"},
		}})
	}
	families := map[string]int{"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
	for _, family := range strings.Fields(u["RestrictAddressFamilies"][0]) {
		allow("socket", 0, 0xffffffff, families[family])
	}
	if slices.Equal(u["MemoryDenyWriteExecute"], []string{"yes"}) {
		const write, exec = 2, 4
		for _, protection := range []int{0, write, exec} {
			allow("mmap", 2, write|exec, protection)
		}
		allow("mprotect", 2, exec, 0)
		remove("pkey_mprotect")
	}
	return object{
		"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": errno,
		"architectures": []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"},
		"syscalls":      append(rules, object{"names": names, "action": "SCMP_ACT_ALLOW"}),
	}
}

// calls are the system calls that the unit allows, in the order of its lines.
func (u unit) calls(t *testing.T) []string {
	t.Helper()
	allowed := map[string]bool{}
	for _, line := range append([]string{"@default"}, u["SystemCallFilter"]...) {
		list, forbids := strings.CutPrefix(line, "~")
		for _, item := range strings.Fields(list) {
			for _, call := range expand(t, item) {
				allowed[call] = !forbids
			}
		}
	}
	var names []string
	for call, ok := range allowed {
		if ok {
			names = append(names, call)
		}
	}
	slices.Sort(names)
	if len(names) < 100 || !slices.Equal(u["SystemCallErrorNumber"], []string{"EPERM"}) {
		t.Fatalf("the unit allows %v, or else %v", names, u["SystemCallErrorNumber"])
	}
	return names
}

// expand lists the system calls of a group, as this machine's systemd knows them.
func expand(t *testing.T, item string) (calls []string) {
	t.Helper()
	if !strings.HasPrefix(item, "@") {
		return []string{item}
	}
	for line := range strings.Lines(run(t, "systemd-analyze", "syscall-filter", item)) {
		if name := strings.TrimSpace(line); name != item && name != "" && !strings.HasPrefix(name, "#") {
			calls = append(calls, expand(t, name)...)
		}
	}
	return calls
}
