package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

// command is the traced command of run -- COMMAND. It is in a process group of
// its own, so that a Ctrl-C reaches it once: from the terminal whose foreground
// it is, or through leaktrace where there is no terminal.
type command struct {
	cmd      *exec.Cmd
	terminal int // file descriptor of the terminal it was given, or -1
	ended    chan struct{}
}

func startCommand(e env, t *tracer.Tracer, argv []string) (*command, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return nil, err
	}
	c := &command{cmd: exec.Command(path, argv[1:]...), terminal: -1, ended: make(chan struct{})}
	c.cmd.Args[0] = argv[0]
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = e.stdin, e.stdout, e.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if e.stdin != nil && foreground(int(e.stdin.Fd())) == unix.Getpgrp() {
		c.terminal = int(e.stdin.Fd())
		c.cmd.SysProcAttr.Foreground = true
		c.cmd.SysProcAttr.Ctty = c.terminal
	}
	if err := t.Start(c.cmd); err != nil {
		return nil, errors.Join(err, c.takeTerminal())
	}
	go func() {
		_ = c.cmd.Wait() // the status is read from ProcessState
		close(c.ended)
	}()
	return c, nil
}

// pass sends a signal on to the command.
func (c *command) pass(s os.Signal) {
	if c != nil {
		_ = c.cmd.Process.Signal(s) // it may have ended
	}
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
		_ = c.takeTerminal()
		status := c.cmd.ProcessState.Sys().(syscall.WaitStatus)
		if status.Signaled() {
			return 128 + int(status.Signal())
		}
		return status.ExitStatus()
	}
}

func (c *command) kill() error {
	err := c.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	<-c.ended
	return errors.Join(err, c.takeTerminal())
}

// foreground is the process group that a terminal listens to, or -1 where fd is
// no terminal.
func foreground(fd int) int {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil {
		return -1
	}
	return group
}

// takeTerminal makes leaktrace's process group the foreground again, if the
// command's still is: a shell may have taken the terminal back. The kernel
// stops a background process that does so, unless it ignores SIGTTOU.
func (c *command) takeTerminal() error {
	if c.terminal < 0 || c.cmd.Process == nil || foreground(c.terminal) != c.cmd.Process.Pid {
		return nil
	}
	signal.Ignore(syscall.SIGTTOU)
	defer signal.Reset(syscall.SIGTTOU)
	return unix.IoctlSetPointerInt(c.terminal, unix.TIOCSPGRP, unix.Getpgrp())
}
