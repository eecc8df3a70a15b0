package tests

import (
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal.
type terminal struct {
	ours, theirs *os.File
	drained      chan struct{} // closed when all output has been read
	before       *unix.Termios
}

func newTerminal() (*terminal, error) {
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock terminal: %w", err)
	}
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("find terminal: %w", err)
	}
	theirs, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetWinsize(int(theirs.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		return nil, fmt.Errorf("size terminal: %w", err)
	}
	before, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("read terminal settings: %w", err)
	}
	return &terminal{ours: ours, theirs: theirs, before: before, drained: make(chan struct{})}, nil
}

// close waits for the last output: reading ends when nobody has the other end.
func (t *terminal) close() {
	_ = t.theirs.Close()
	<-t.drained
	_ = t.ours.Close()
}

// changes says how the settings differ from those at the start.
func (t *terminal) changes() string {
	after, err := unix.IoctlGetTermios(int(t.theirs.Fd()), unix.TCGETS)
	if err != nil {
		return err.Error()
	}
	return cmp.Diff(t.before, after)
}

func startOnTerminal(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "terminal NAME COMMAND...")
	t, err := newTerminal()
	ts.Check(err)
	b := &background{cmd: prepare(ts, args[1:]), terminal: t, input: t.ours}
	b.cmd.Stdin, b.cmd.Stdout, b.cmd.Stderr = t.theirs, t.theirs, t.theirs
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err = b.cmd.Start()
	go func() {
		defer close(t.drained)
		_, _ = io.Copy(io.MultiWriter(&b.stdout, &b.output), t.ours) // ends with EIO
	}()
	b.begin(ts, args[0], err)
}
