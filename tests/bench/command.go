package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds every wait for another program.
const patience = 60 * time.Second

// command is a running program whose output is kept.
type command struct {
	*exec.Cmd
	said  *output
	ended chan error
}

// output is what a program has said, on both streams.
type output struct {
	sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.Lock()
	defer o.Unlock()
	o.text.Write(p)
	select {
	case o.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (o *output) String() string {
	o.Lock()
	defer o.Unlock()
	return o.text.String()
}

// startCommand starts a program and does not wait for anything.
func startCommand(name string, args ...string) (*command, error) {
	return startWith(nil, name, args...)
}

func startWith(stdin io.Reader, name string, args ...string) (*command, error) {
	c := &command{Cmd: exec.Command(name, args...), ended: make(chan error, 1)}
	c.said = &output{changed: make(chan struct{}, 1)}
	c.Stdin, c.Stdout, c.Stderr = stdin, c.said, c.said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { c.ended <- c.Wait() }()
	return c, nil
}

// await waits until the program has said something.
func (c *command) await(what string) error {
	late := time.After(patience)
	for !bytes.Contains([]byte(c.said.String()), []byte(what)) {
		select {
		case <-c.said.changed:
		case err := <-c.ended:
			c.ended <- err
			if err == nil {
				err = errors.New("with status 0")
			}
			return fmt.Errorf("%s ended before it said %q (%w); it said: %s", c.Path, what, err, lastLines(c.said.String()))
		case <-late:
			return fmt.Errorf("%s has not said %q; it said: %s", c.Path, what, lastLines(c.said.String()))
		}
	}
	return nil
}

// finish waits for the end, whatever the status.
func (c *command) finish() error {
	select {
	case err := <-c.ended:
		var status *exec.ExitError
		if err != nil && !errors.As(err, &status) {
			return err
		}
		return nil
	case <-time.After(patience):
		_ = c.Process.Kill()
		return fmt.Errorf("%s does not end", c.Path)
	}
}

// interrupt ends it as Ctrl-C does.
func (c *command) interrupt() error {
	if err := c.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return c.finish()
}

// lastLines is the end of what a program said, to be shown in an error.
func lastLines(text string) string {
	const most = 300
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return text
}

// cpuTime is the processor time that a process has used, its threads' too and
// those that have ended.
func cpuTime(pid int) (time.Duration, error) {
	var used unix.Timespec
	// The clock of a process: its number, inverted, and CPUCLOCK_SCHED.
	if err := unix.ClockGettime(int32(^pid<<3|2), &used); err != nil {
		return 0, fmt.Errorf("read processor time of process %d: %w", pid, err)
	}
	return time.Duration(used.Nano()), nil
}
