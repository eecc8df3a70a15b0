package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/export"
)

// guardedMark is in the environment of the leaktrace that is guarded.
const guardedMark = "LEAKTRACE_GUARDED"

// crashFD is where that one writes what it dies of: on a full screen it is lost.
const crashFD = 3

func isGuarded() bool { return os.Getenv(guardedMark) != "" }

// guardTerminal runs this leaktrace once more, which takes the terminal, and
// restores the terminal if that one crashes: no deferred function runs when some
// goroutine panics, nor at SIGKILL. Only who started it can do so before a shell
// goes on, for that waits for him.
func guardTerminal(e env) error {
	terminal := e.stdout.(*os.File) // or it were no terminal
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("read the terminal's settings: %w", err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, caught...)
	defer signal.Stop(signals)
	cmd, crash, err := startGuarded(e)
	if err != nil {
		return fmt.Errorf("start what shows the live view (--no-tui does without): %w", err)
	}
	defer crash.Close()
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended
		}
	}()
	debug.FreeOSMemory() // all there is to do is to wait
	last, _ := io.ReadAll(crash)
	_ = cmd.Wait() // the status is read from ProcessState
	if len(last) > 0 || cmd.ProcessState.ExitCode() < 0 {
		restore(terminal, state, string(last))
	}
	return statusError{status: statusOf(cmd.ProcessState)}
}

// startGuarded starts the other leaktrace. What it dies of, if it crashes, can be
// read from crash, which is at its end when that one is.
func startGuarded(e env) (cmd *exec.Cmd, crash *os.File, err error) {
	crash, theirs, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	cmd = exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), guardedMark+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.stdin, e.stdout, e.stderr
	cmd.ExtraFiles = []*os.File{theirs} // crashFD
	// It must not outlive its guard. The signal comes when the thread ends.
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		crash.Close()
		return nil, nil, err
	}
	return cmd, crash, nil
}

// reportCrashes makes Go's words on a crash go to the guard too.
func reportCrashes() error {
	f := os.NewFile(crashFD, "crash output")
	defer f.Close()
	return debug.SetCrashOutput(f, debug.CrashOptions{})
}

// restore gives a terminal back for one who cannot any more, and says what he died
// of. What cannot be restored nobody can help.
func restore(terminal *os.File, state *unix.Termios, last string) {
	_ = unix.IoctlSetTermios(int(terminal.Fd()), unix.TCSETSW, state)
	if last == "" {
		last = "leaktrace was killed"
	}
	_, _ = io.WriteString(terminal, restoreScreen+printable(last))
}

// restoreScreen undoes what a full-screen view does to a terminal: the kitty
// keyboard protocol, other keyboard modes, synchronized output, grapheme clusters,
// bracketed paste, colours, the alternate screen, the hidden cursor.
const restoreScreen = "\x1b[<u\x1b[>4m\x1b[?2026l\x1b[?2027l\x1b[?2004l\x1b[m\x1b[?1049l\x1b[?25h\r"

// printable escapes what Go says of a crash, which may quote the target.
func printable(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		fmt.Fprintln(&b, export.Escape(strings.ReplaceAll(line, "\t", "    ")))
	}
	return b.String()
}
