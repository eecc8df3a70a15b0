package tests

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// pane is a shell on a terminal that a tmux of its own keeps.
type pane struct {
	socket string
	tty    *os.File
	before *unix.Termios
}

// tmux runs a command of tmux's and returns what it says.
func (p *pane) tmux(args ...string) (string, error) {
	cmd := exec.Command("tmux", append([]string{"-u", "-S", p.socket, "-f", "/dev/null"}, args...)...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %w: %s", args[0], err, output)
	}
	return strings.TrimRight(string(output), "\n"), nil
}

// look is the screen.
func (p *pane) look() (string, error) { return p.tmux("capture-pane", "-p") }

// retry waits until there is nothing to complain about.
func retry(complaint func() error) error {
	for end := time.Now().Add(patience); ; {
		err := complaint()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *pane) shows(pattern *regexp.Regexp, want bool) error {
	return retry(func() error {
		screen, err := p.look()
		if err == nil && pattern.MatchString(screen) != want {
			err = fmt.Errorf("the screen, to be matched with %s:\n%s", pattern, screen)
		}
		return err
	})
}

func (p *pane) termios() (*unix.Termios, error) {
	return unix.IoctlGetTermios(int(p.tty.Fd()), unix.TCGETS)
}

// open starts tmux and waits for the shell's prompt.
func (p *pane) open(ts *testscript.TestScript, width, height string) error {
	// dash does not edit lines: the terminal's settings are its own only if
	// nobody else has left any.
	_, err := p.tmux("new-session", "-d", "-x", width, "-y", height, "-c", ts.MkAbs("."),
		"env", "-u", "NO_COLOR", "-u", "TMUX", "-u", "ENV", "PATH="+ts.Getenv("PATH"), "PS1=ready> ", "dash", "-i")
	if err != nil {
		return err
	}
	ts.Defer(func() { _, _ = p.tmux("kill-server") })
	path, err := p.tmux("display-message", "-p", "#{pane_tty}")
	if err != nil {
		return err
	}
	if p.tty, err = os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return err
	}
	ts.Defer(func() { p.tty.Close() })
	if err := p.shows(regexp.MustCompile(`ready>`), true); err != nil {
		return err
	}
	p.before, err = p.termios()
	return err
}

func openPane(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "pane NAME WIDTH HEIGHT")
	// The work directory's name is too long for a socket's.
	directory, err := os.MkdirTemp("", "pane")
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(directory) })
	p := &pane{socket: filepath.Join(directory, "tmux")}
	ts.Check(p.open(ts, args[1], args[2]))
	of(ts).panes[args[0]] = p
	pid, err := p.tmux("display-message", "-p", "#{pane_pid}")
	ts.Check(err)
	ts.Setenv(args[0], pid)
}

func paneOf(ts *testscript.TestScript, name string) *pane {
	p := of(ts).panes[name]
	if p == nil {
		ts.Fatalf("no pane %q was opened", name)
	}
	return p
}

func press(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "press NAME KEY...")
	_, err := paneOf(ts, args[0]).tmux(append([]string{"send-keys"}, args[1:]...)...)
	ts.Check(err)
}

func resize(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "resize NAME WIDTH HEIGHT")
	_, err := paneOf(ts, args[0]).tmux("resize-window", "-x", args[1], "-y", args[2])
	ts.Check(err)
}

func shows(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: shows NAME PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	ts.Check(paneOf(ts, args[0]).shows(pattern, !neg))
}

// restored checks that the shell has its prompt back on a terminal like before.
func restored(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "restored NAME")
	p := paneOf(ts, args[0])
	ts.Check(retry(func() error {
		state, err := p.tmux("display-message", "-p", "alternate screen #{alternate_on}, cursor #{cursor_flag}, keypad #{keypad_flag}, mouse #{mouse_any_flag}")
		if want := "alternate screen 0, cursor 1, keypad 0, mouse 0"; err == nil && state != want {
			err = fmt.Errorf("the terminal has %s, want %s", state, want)
		}
		after, termiosErr := p.termios()
		if diff := cmp.Diff(p.before, after); termiosErr == nil && diff != "" {
			termiosErr = fmt.Errorf("settings (-before +after):\n%s", diff)
		}
		screen, lookErr := p.look()
		if lookErr == nil && !strings.HasSuffix(strings.TrimRight(screen, "\n "), "ready>") {
			lookErr = fmt.Errorf("no prompt:\n%s", screen)
		}
		return errors.Join(err, termiosErr, lookErr)
	}))
}
