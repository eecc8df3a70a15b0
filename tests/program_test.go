package tests

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait. What is waited for takes milliseconds; only a
// failure takes longer.
const patience = 60 * time.Second

// program is a traced program and the pipes to it: see programs/program.h.
type program struct {
	t      testing.TB
	cmd    *exec.Cmd
	pid    int // what it says itself, after `ready`
	stdin  *os.File
	stdout *os.File
	lines  *bufio.Reader
	stderr *os.File
	ended  bool
}

// newProgram prepares a program of ours by name, or any other by path.
func newProgram(t testing.TB, name string, args ...string) *program {
	t.Helper()
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(programs, name)
	}
	p := &program{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Stdin, p.stdin = pipe(t)
	p.stdout, p.cmd.Stdout = pipe(t)
	p.stderr = scratch(t)
	p.cmd.Stderr = p.stderr
	p.lines = bufio.NewReaderSize(p.stdout, 1<<16)
	return p
}

// start starts it and waits until it is ready. The starter gives it to the
// tracer, or does not.
func (p *program) start(starter func(*exec.Cmd) error) {
	p.t.Helper()
	err := starter(p.cmd)
	p.closeRemoteEnds()
	if err != nil {
		p.t.Fatalf("start %s: %v", p.cmd.Path, err)
	}
	p.t.Cleanup(p.end)
	if _, err := fmt.Sscanf(p.line(), "ready %d", &p.pid); err != nil {
		p.t.Fatalf("%s is not ready: %v", p.cmd.Path, err)
	}
}

// closeRemoteEnds leaves the program's ends of the pipes to the program.
func (p *program) closeRemoteEnds() {
	_ = p.cmd.Stdin.(*os.File).Close()
	_ = p.cmd.Stdout.(*os.File).Close()
}

// line reads one line of output.
func (p *program) line() string {
	p.t.Helper()
	if err := p.stdout.SetReadDeadline(time.Now().Add(patience)); err != nil {
		p.t.Fatalf("set deadline: %v", err)
	}
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.t.Fatalf("%s said %q, then: %v\nits stderr: %s", p.cmd.Path, line, err, p.said())
	}
	return strings.TrimSuffix(line, "\n")
}

// send sends one command line.
func (p *program) send(command string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.stdin, command); err != nil {
		p.t.Fatalf("send %q to %s: %v", command, p.cmd.Path, err)
	}
}

// decode reads one line of output as JSON.
func decode[T any](p *program) T {
	p.t.Helper()
	return parse[T](p, p.line())
}

func parse[T any](p *program, line string) T {
	p.t.Helper()
	var out T
	if err := json.Unmarshal([]byte(line), &out); err != nil {
		p.t.Fatalf("%s said %q: %v", p.cmd.Path, line, err)
	}
	return out
}

// do sends a command and returns what the program did, counted from its start.
func (p *program) do(command string) truth {
	p.t.Helper()
	p.send(command)
	return decode[truth](p)
}

// end lets the program end by EOF; it must do so with status 0.
func (p *program) end() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.stdin.Close()
	kill := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer kill.Stop()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("%s: %v\nits stderr: %s", p.cmd.Path, err, p.said())
	}
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}

// kill ends a program whose status does not matter.
func (p *program) kill() {
	if p.ended {
		return
	}
	p.ended = true
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = p.stdin.Close()
	_ = p.stdout.Close()
	_ = p.stderr.Close()
}

func pipe(t testing.TB) (read, write *os.File) {
	t.Helper()
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatalf("make pipe: %v", err)
	}
	return read, write
}

// scratch is a file that the program may write to without a reader.
func scratch(t testing.TB) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "stderr")
	if err != nil {
		t.Fatalf("make file for stderr: %v", err)
	}
	return f
}

// said is what the program wrote to stderr.
func (p *program) said() string {
	text, err := os.ReadFile(p.stderr.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}
