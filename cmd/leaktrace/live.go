package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/live"
)

// screen is the view that has a whole terminal.
type screen struct{ *live.View }

// ownsTerminal tells whether leaktrace may take the terminal for its view: it is
// one, can do more than lines, and is not somebody else's just now.
func ownsTerminal(e env) bool {
	able := !slices.Contains([]string{"", "dumb"}, os.Getenv("TERM"))
	return able && isTerminal(e.stdout) && isTerminal(e.stdin) && inForeground()
}

// openScreen takes the terminal over. If it crashes its guard gives it back.
func openScreen(e env, source export.SourceURL) (screen, error) {
	if err := reportCrashes(); err != nil {
		return screen{}, fmt.Errorf("tell the terminal's guard of crashes: %w", err)
	}
	return screen{live.Start(live.Options{
		Input: e.stdin, Output: e.stdout, Environ: os.Environ(),
		Write:      func(r *export.Report) (string, error) { return keepReport(r, source) },
		JobControl: hasJobControl(),
	})}, nil
}

func (s screen) show(report *export.Report, tracked int) {
	s.Show(live.State{Report: report, Tracked: tracked})
}

func (s screen) ended() <-chan struct{} { return s.Ended() }

func (s screen) close() error { return s.Close() }

// hasJobControl tells whether a shell would notice that leaktrace is stopped. As
// the first of its session, it or those that it was started by, it would stay so.
func hasJobControl() bool {
	session, err := unix.Getsid(0)
	return err == nil && session != unix.Getpgrp()
}

// keepReport writes a report for the user who asks for it at the live view: into
// the current directory, as the page for a browser, never over another file.
func keepReport(r *export.Report, source export.SourceURL) (path string, err error) {
	path = fmt.Sprintf("leaktrace-%d-%s.html", r.Target.PID, time.Now().Format("20060102-150405"))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", err
	}
	return path, errors.Join(r.WriteHTML(f, export.HTMLOptions{Source: source}), f.Close())
}
