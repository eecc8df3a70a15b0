package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// command is the traced command of run -- COMMAND. It stays in leaktrace's
// process group, as with time, strace or sudo: what a terminal sends (Ctrl-C,
// Ctrl-Z) reaches both, and job control works as without leaktrace.
type command struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

func startCommand(e env, t targetTracer, argv []string) (*command, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, cannotRun(argv[0], err)
	}
	c := &command{cmd: exec.Command(path, argv[1:]...), ended: make(chan struct{})}
	c.cmd.Args[0] = argv[0]
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = e.stdin, e.stdout, e.stderr
	if err := t.Start(c.cmd); err != nil {
		if c.cmd.Process == nil {
			err = cannotRun(argv[0], err)
		}
		return nil, err
	}
	go func() {
		_ = c.cmd.Wait() // the status is read from ProcessState
		close(c.ended)
	}()
	return c, nil
}

// cannotRun says why a command does not run, and once: the errors of os and
// exec repeat the path.
func cannotRun(name string, err error) error {
	var path *fs.PathError
	var lookup *exec.Error
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &lookup):
		err = lookup.Err
	}
	instead := ""
	if _, notNumber := strconv.Atoi(name); notNumber == nil {
		instead = "; to trace that process give --pid " + name
	} else if strings.HasPrefix(name, "-") {
		instead = "; flags of leaktrace go before the --"
	}
	return fmt.Errorf("run %s: %w%s", name, err, instead)
}

// terminalSignals is what a terminal sends to its foreground process group.
var terminalSignals = []os.Signal{syscall.SIGINT, syscall.SIGQUIT}

// pass sends a signal on to the command, unless it has got it too. Whether a
// terminal sent it cannot be told; with one in front of leaktrace that is
// likely, and a command must not get one Ctrl-C twice.
func (c *command) pass(s os.Signal) {
	if c == nil || (slices.Contains(terminalSignals, s) && inForeground()) {
		return
	}
	_ = c.cmd.Process.Signal(s) // it may have ended
	if s == syscall.SIGHUP {
		// A stopped command gets nothing until it is continued.
		_ = c.cmd.Process.Signal(syscall.SIGCONT)
	}
}

// inForeground reports whether a terminal listens to leaktrace's process group.
func inForeground() bool {
	terminal, err := os.OpenFile("/dev/tty", os.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer terminal.Close()
	group, err := unix.IoctlGetInt(int(terminal.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// wait returns the command's status as a shell does: 128 + N for signal N.
func (c *command) wait(signals <-chan os.Signal) int {
	for {
		select {
		case s := <-signals:
			c.pass(s)
			continue
		case <-c.ended:
		}
		return statusOf(c.cmd.ProcessState)
	}
}

// statusOf is how a process ended, as a shell says it.
func statusOf(state *os.ProcessState) int {
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return 128 + int(status.Signal())
	}
	return status.ExitStatus()
}
