package goroutine

import (
	"bufio"
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/symbol/pclntab"
)

// live is the memory of a process.
type live int

func (pid live) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	local := unix.Iovec{Base: &p[0]}
	local.SetLen(len(p))
	return unix.ProcessVMReadv(int(pid), []unix.Iovec{local}, pieces, 0)
}

// build builds a program of testdata with a release of Go; "" is the one that runs
// the test.
func build(t testing.TB, name, toolchain string, env []string, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), ".")...)
	cmd.Dir = filepath.Join("testdata", name)
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false"), env...)
	if toolchain != "" {
		cmd.Env = append(cmd.Env, "GOTOOLCHAIN="+toolchain)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return path
}

// target is a program of testdata that runs.
type target struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	stderr strings.Builder
}

// run starts a program, and ends it with the test. Its runtime shows all goroutines
// when it is told to quit.
func run(t testing.TB, path string, args ...string) *target {
	t.Helper()
	p := &target{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Env = append(os.Environ(), "GOTRACEBACK=system")
	p.cmd.Stderr = &p.stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	p.out = bufio.NewScanner(out)
	return p
}

// line reads a line that has a number in it.
func (p *target) line(format string) (n int) {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatalf("the program ended: %s", p.stderr.String())
	}
	if _, err := fmt.Sscanf(p.out.Text(), format, &n); err != nil {
		p.t.Fatalf("the program printed %q, not %q", p.out.Text(), format)
	}
	return n
}

func (p *target) pid() int { return p.cmd.Process.Pid }

// quit ends the program, and returns what its runtime says of its goroutines.
func (p *target) quit() string {
	p.t.Helper()
	if err := p.cmd.Process.Signal(unix.SIGQUIT); err != nil {
		p.t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) {
		p.t.Fatalf("the program did not quit: %v", err)
	}
	return p.stderr.String()
}

// programOf reads the file of a process, and where it lies in memory.
func programOf(t testing.TB, pid int) Program {
	t.Helper()
	f, err := os.Open(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	e, err := elf.NewFile(f)
	if err != nil {
		t.Fatal(err)
	}
	table, err := pclntab.New(e)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return Program{Table: table, Version: info.GoVersion, Bias: biasOf(t, pid, e)}
}

// biasOf compares where the first segment is mapped with where the file wants it.
func biasOf(t testing.TB, pid int, e *elf.File) uint64 {
	t.Helper()
	proc, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := proc.Executable()
	if err != nil {
		t.Fatal(err)
	}
	maps, err := proc.ProcMaps()
	if err != nil {
		t.Fatal(err)
	}
	first := uint64(maps[slices.IndexFunc(maps, func(m *procfs.ProcMap) bool { return m.Pathname == exe })].StartAddr)
	for _, p := range e.Progs {
		if p.Type == elf.PT_LOAD {
			return first - p.Vaddr
		}
	}
	t.Fatal("nothing of the program is loaded")
	return 0
}

// open opens the runtime of a process.
func open(t testing.TB, pid int) *Runtime {
	t.Helper()
	r, err := Open(programOf(t, pid), live(pid), NewRoom())
	for deadline := time.Now().Add(10 * time.Second); errors.Is(err, ErrEarly) && time.Now().Before(deadline); {
		r, err = Open(programOf(t, pid), live(pid), NewRoom())
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
