package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/export"
)

// guardName is what leaktrace is called (argv[0]) as the guard of a terminal.
const guardName = "leaktrace-guard"

// guard is a process that outlives leaktrace and restores its terminal, should
// leaktrace die with it in its hands: no deferred function runs when another
// goroutine panics, nor at SIGKILL.
type guard struct {
	cmd  *exec.Cmd
	pipe *os.File // leaktrace's life line: it closes when leaktrace ends
}

// startGuard starts a guard of a terminal, which is to be left as it is now.
func startGuard(terminal *os.File) (*guard, error) {
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	g := &guard{cmd: exec.Command("/proc/self/exe"), pipe: ours}
	g.cmd.Args = []string{guardName}
	g.cmd.Env = []string{"GOMAXPROCS=1"}
	g.cmd.Stdin, g.cmd.Stdout = theirs, terminal
	if err := g.cmd.Start(); err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	// What Go says when it crashes goes to the guard too, for on the screen it is
	// lost.
	err = errors.Join(binary.Write(ours, binary.NativeEndian, state), debug.SetCrashOutput(ours, debug.CrashOptions{}))
	if err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

// stop ends the guard. The terminal has to be restored by then.
func (g *guard) stop() error {
	err := errors.Join(debug.SetCrashOutput(nil, debug.CrashOptions{}), g.cmd.Process.Kill())
	_ = g.cmd.Wait() // it was killed
	return errors.Join(err, g.pipe.Close())
}

// guardTerminal is what a guard does: wait until leaktrace has died, restore the
// terminal and show what it died of.
func guardTerminal(in io.Reader, terminal *os.File) error {
	// Signals are for leaktrace. A terminal stops those that change its settings
	// from the background.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTOU)
	var state unix.Termios
	if err := binary.Read(in, binary.NativeEndian, &state); err != nil {
		return err
	}
	last, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	// A shell that has its terminal back has set it up for itself.
	if inForeground() {
		err = unix.IoctlSetTermios(int(terminal.Fd()), unix.TCSETSW, &state)
	}
	said := "leaktrace was killed\n"
	if len(last) > 0 {
		said = string(last)
	}
	_, writeErr := io.WriteString(terminal, restoreScreen+printable(said))
	return errors.Join(err, writeErr)
}

// restoreScreen undoes what a full-screen view does to a terminal: the kitty
// keyboard protocol, other keyboard modes, synchronized output, grapheme clusters,
// bracketed paste, colours, the alternate screen, the hidden cursor.
const restoreScreen = "\x1b[<u\x1b[>4m\x1b[?2026l\x1b[?2027l\x1b[?2004l\x1b[m\x1b[?1049l\x1b[?25h\r"

// printable escapes what Go says of a crash, which may quote the target.
func printable(text string) string {
	var b strings.Builder
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		// The terminal may still be raw.
		fmt.Fprintf(&b, "%s\r\n", export.Escape(strings.ReplaceAll(lines.Text(), "\t", "    ")))
	}
	return b.String()
}
