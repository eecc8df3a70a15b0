package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// background is a process that a script started and talks to.
type background struct {
	cmd      *exec.Cmd
	input    io.WriteCloser
	output   stream // what it writes, of both kinds, as it comes
	stdout   bytes.Buffer
	stderr   bytes.Buffer
	terminal *terminal // nil unless it was started on one
	changed  string    // what it left different of the terminal's settings
	lastRead error     // why reading from the terminal ended
	ended    bool
}

// stream is output that can be waited for.
type stream struct {
	mu      sync.Mutex
	text    []byte
	seen    int           // how much of it has been waited for
	changed chan struct{} // closed at the next change
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	return len(p), nil
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// await waits until what was not waited for yet matches.
func (s *stream) await(pattern *regexp.Regexp) error {
	timeout := time.After(patience)
	for {
		s.mu.Lock()
		if found := pattern.FindIndex(s.text[s.seen:]); found != nil {
			s.seen += found[1]
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-timeout:
			return fmt.Errorf("waited in vain for %s in\n%s", pattern, s)
		}
	}
}

// prepare makes the command that a script's line names, with its environment.
func prepare(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	path := ts.Getenv("PATH")
	for _, directory := range filepath.SplitList(path) {
		candidate := filepath.Join(directory, args[0])
		if _, err := os.Stat(candidate); err == nil && !strings.Contains(args[0], "/") {
			cmd.Path, cmd.Err = candidate, nil
			break
		}
	}
	cmd.Env = append(os.Environ(), "PATH="+path, "WORK="+ts.Getenv("WORK"))
	cmd.WaitDelay = patience
	return cmd
}

// begin notes a process under its name and makes sure that it ends.
func (b *background) begin(ts *testscript.TestScript, name string, err error) {
	if err != nil {
		ts.Fatalf("start %s: %v", b.cmd.Path, err)
	}
	of(ts).processes[name] = b
	ts.Setenv(name, strconv.Itoa(b.cmd.Process.Pid))
	ts.Defer(func() {
		if !b.ended {
			b.kill()
			_ = b.end()
			ts.Logf("%s was left running; it said\n%s", name, &b.output)
		}
	})
}

// kill ends what a failed script left, also what runs on its terminal.
func (b *background) kill() {
	if b.terminal != nil {
		b.terminal.killForeground()
	}
	_ = b.cmd.Process.Kill()
}

// end waits for the process and for all of its output.
func (b *background) end() error {
	b.ended = true
	if b.terminal == nil {
		_ = b.input.Close()
	}
	kill := time.AfterFunc(patience, func() { _ = b.cmd.Process.Kill() })
	defer kill.Stop()
	err := b.cmd.Wait()
	if b.terminal != nil {
		b.changed = b.terminal.changes()
		err = errors.Join(err, b.terminal.close())
		// As long as somebody has the other end there is no error.
		if !errors.Is(b.lastRead, syscall.EIO) {
			err = errors.Join(err, fmt.Errorf("processes were left on the terminal: %w", b.lastRead))
		}
	}
	return err
}

func startBackground(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "start NAME COMMAND...")
	b := &background{cmd: prepare(ts, args[1:])}
	b.cmd.Stdout = io.MultiWriter(&b.stdout, &b.output)
	b.cmd.Stderr = io.MultiWriter(&b.stderr, &b.output)
	input, err := b.cmd.StdinPipe()
	ts.Check(err)
	b.input = input
	b.begin(ts, args[0], b.cmd.Start())
}

// process finds a process by name.
func process(ts *testscript.TestScript, name string) *background {
	b := of(ts).processes[name]
	if b == nil {
		ts.Fatalf("no process %q was started", name)
	}
	return b
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "await NAME PATTERN")
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	ts.Check(process(ts, args[0]).output.await(pattern))
}

// aLine is what a program answers.
var aLine = regexp.MustCompile(`\{.*\}\r?\n`)

func tell(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "tell NAME LINE")
	b := process(ts, args[0])
	_, err := fmt.Fprintln(b.input, strings.Join(args[1:], " "))
	ts.Check(err)
	ts.Check(b.output.await(aLine))
}

func typeText(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "type NAME TEXT")
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(args[1], `"`, `\"`) + `"`)
	ts.Check(err)
	_, err = io.WriteString(process(ts, args[0]).input, text)
	ts.Check(err)
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "signal NAME SIGNAL")
	number := unix.SignalNum(args[1])
	if number == 0 {
		ts.Fatalf("no signal %q", args[1])
	}
	ts.Check(process(ts, args[0]).cmd.Process.Signal(number))
}

func finish(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "finish NAME N")
	b := process(ts, args[0])
	err := b.end()
	if ended := (*exec.ExitError)(nil); err != nil && !errors.As(err, &ended) {
		ts.Fatalf("%s: %v; it said\n%s", args[0], err, &b.output)
	}
	if got, want := exitStatus(b.cmd.ProcessState), number(ts, args[1]); got != want {
		ts.Fatalf("%s ended with status %d (%v), want %d; it said\n%s", args[0], got, err, want, &b.output)
	}
	if b.changed != "" {
		ts.Fatalf("%s left the terminal with other settings (-before +after):\n%s", args[0], b.changed)
	}
	_, err = ts.Stdout().Write(b.stdout.Bytes())
	ts.Check(err)
	_, err = ts.Stderr().Write(b.stderr.Bytes())
	ts.Check(err)
}
