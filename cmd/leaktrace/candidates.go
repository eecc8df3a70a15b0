package main

import (
	"errors"
	"os"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer/triage"
)

// errNoTarget is what is wrong with run and record alone.
var errNoTarget = usageError("nothing to trace: give --pid N or -- COMMAND")

// withCandidates lists what might have been meant where a target is missing.
func withCandidates(e env, err error) error {
	if !errors.Is(err, errNoTarget) {
		return err
	}
	return errors.Join(err, showCandidates(e))
}

// showCandidates lists the processes that are worth a look. They go where the
// error goes: who forgot a target in a script gets nothing on standard output.
func showCandidates(e env) error {
	look, err := triage.Machine("/", os.Getpid())
	if err != nil {
		return err
	}
	o := export.TextOptions{Width: terminalWidth(e.stderr)}
	return export.WriteCandidates(e.stderr, look, sudo(), os.Geteuid() == 0, o)
}

// sudo is what goes before a command that needs the rights of root: nothing for who is
// root, and not by sudo alone.
func sudo() string {
	if os.Geteuid() == 0 && os.Getenv("SUDO_UID") == "" {
		return ""
	}
	return "sudo "
}
