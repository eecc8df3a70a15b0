package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

// finding is one line of doctor's report.
type finding struct {
	what   string
	state  string // ok, note or FAIL
	detail string
	remedy string // one line, empty when there is nothing to do
}

func doctorCommand(e env) *cli.Command {
	return &cli.Command{
		Name:         "doctor",
		Usage:        "check whether this machine can be traced, and say what to do if not",
		OnUsageError: onUsageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError("doctor takes no arguments")
			}
			findings := examine()
			if failed(findings) {
				findings = append(findings, finding{"hooks", "note", "not tried: see the lines marked FAIL", ""})
			} else {
				findings = append(findings, examineHooks()...)
			}
			if err := printFindings(e.stdout, findings); err != nil {
				return fmt.Errorf("write findings: %w", err)
			}
			if failed(findings) {
				return errors.New("this machine cannot be traced as it is; see the lines marked FAIL")
			}
			return nil
		},
	}
}

// fail is the state of a finding that keeps leaktrace from working.
const fail = "FAIL"

func failed(findings []finding) bool {
	return slices.ContainsFunc(findings, func(f finding) bool { return f.state == fail })
}

func printFindings(w io.Writer, findings []finding) error {
	var out strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&out, "%-4s  %-22s %s\n", f.state, f.what, f.detail)
		if f.remedy != "" {
			fmt.Fprintf(&out, "      %-22s → %s\n", "", f.remedy)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// examine looks at everything but the hooks.
func examine() []finding {
	return []finding{kernel(), kernelTypes(), capabilities(), lockdown(), pidNamespace(), cgroups(), programStats()}
}

func kernel() finding {
	var name unix.Utsname
	_ = unix.Uname(&name) // cannot fail with a valid pointer
	release := unix.ByteSliceToString(name.Release[:])
	f := finding{"kernel", "ok", release + " " + unix.ByteSliceToString(name.Machine[:]), ""}
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n == 2 && (major < 5 || major == 5 && minor < 15) {
		f.state, f.remedy = fail, "use a kernel from 5.15 on: older ones lack task storage for tracing programs"
	}
	return f
}

func kernelTypes() finding {
	const path = "/sys/kernel/btf/vmlinux"
	if _, err := os.Stat(path); err != nil {
		return finding{"kernel types (BTF)", fail, "no " + path, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y, as all current distributions' are"}
	}
	return finding{"kernel types (BTF)", "ok", path, ""}
}

func capabilities() finding {
	missing, err := tracer.MissingCapabilities()
	switch {
	case err != nil:
		return finding{"capabilities", fail, err.Error(), "mount /proc"}
	case len(missing) > 0:
		return finding{"capabilities", fail, "missing " + strings.Join(missing, ", "), tracer.HowToGetCapabilities()}
	}
	return finding{"capabilities", "ok", strings.Join(tracer.Capabilities(), ", "), ""}
}

func lockdown() finding {
	raw, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return finding{"lockdown", "ok", "none", ""}
	}
	_, rest, _ := strings.Cut(string(raw), "[")
	mode, _, _ := strings.Cut(rest, "]")
	if mode == "confidentiality" {
		return finding{"lockdown", fail, mode, "boot with lockdown=integrity: in this mode BPF programs cannot read user memory"}
	}
	return finding{"lockdown", "ok", mode, ""}
}

func pidNamespace() finding {
	if err := tracer.CheckNamespace(); err != nil {
		return finding{"pid namespace", fail, "not the host's", "run on the host, or with --pid=host (Docker, podman) or hostPID: true (Kubernetes)"}
	}
	return finding{"pid namespace", "ok", "the host's", ""}
}

func cgroups() finding {
	var root, unified unix.Statfs_t
	const v2 = unix.CGROUP2_SUPER_MAGIC
	switch {
	case unix.Statfs("/sys/fs/cgroup", &root) != nil:
		return finding{"cgroups", "note", "not mounted", "mount /sys/fs/cgroup if leaks are to be told apart by container"}
	case root.Type == v2:
		return finding{"cgroups", "ok", "v2", ""}
	case unix.Statfs("/sys/fs/cgroup/unified", &unified) == nil && unified.Type == v2:
		return finding{"cgroups", "ok", "hybrid: v1, with v2 at /sys/fs/cgroup/unified", ""}
	}
	return finding{"cgroups", "ok", "v1", ""}
}

func programStats() finding {
	raw, err := os.ReadFile("/proc/sys/kernel/bpf_stats_enabled")
	if err == nil && strings.TrimSpace(string(raw)) == "1" {
		return finding{"program statistics", "note", "on: reports show the cost of each program", "sysctl kernel.bpf_stats_enabled=0 when done: measuring costs some 30 ns an event"}
	}
	return finding{"program statistics", "ok", "off (sysctl kernel.bpf_stats_enabled=1 shows the cost of each program)", ""}
}

// examineHooks tries every hook.
func examineHooks() []finding {
	probes, err := tracer.ProbeHooks()
	if err != nil {
		return []finding{{"hooks", fail, err.Error(), ""}}
	}
	var findings []finding
	for _, p := range probes {
		f := finding{what: p.Program, state: "ok", detail: p.Purpose}
		switch {
		case p.Err != nil:
			f.state, f.detail, f.remedy = fail, firstLine(p.Err), "check the capabilities and lockdown above; if they are in order, please report this with your kernel's version"
		case p.Instead != "":
			f.state, f.detail = "note", p.Purpose+": not used here; instead "+p.Instead
		}
		findings = append(findings, f)
	}
	return findings
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
