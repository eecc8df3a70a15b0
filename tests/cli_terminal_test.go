package tests

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

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
	// Non-blocking, so that reading can have a deadline.
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open terminal: %w", err)
	}
	t := &terminal{drained: make(chan struct{})}
	if t.theirs, err = otherEnd(fd); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	t.ours = os.NewFile(uintptr(fd), "/dev/ptmx")
	if t.before, err = unix.IoctlGetTermios(int(t.theirs.Fd()), unix.TCGETS); err != nil {
		return nil, fmt.Errorf("read terminal settings: %w", err)
	}
	return t, nil
}

// otherEnd opens the end of a pseudo-terminal that programs get.
func otherEnd(fd int) (*os.File, error) {
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock terminal: %w", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		return nil, fmt.Errorf("size terminal: %w", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("find terminal: %w", err)
	}
	return os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
}

// close waits for the last output: reading ends when nobody has the other end.
func (t *terminal) close() error {
	_ = t.theirs.Close()
	if err := t.ours.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	<-t.drained
	return t.ours.Close()
}

// killForeground kills the process group that has the terminal.
func (t *terminal) killForeground() {
	if group, err := unix.IoctlGetInt(int(t.theirs.Fd()), unix.TIOCGPGRP); err == nil && group > 1 {
		_ = unix.Kill(-group, unix.SIGKILL)
	}
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
		_, b.lastRead = io.Copy(io.MultiWriter(&b.stdout, &b.output), t.ours)
	}()
	b.begin(ts, args[0], err)
}
