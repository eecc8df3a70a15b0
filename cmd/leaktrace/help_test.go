package main

import (
	"bytes"
	"strings"
	"syscall"
	"testing"
)

// Help is of the command before --help, whatever comes after; help after a command is
// no word of leaktrace's.
func TestHelp(t *testing.T) {
	for line, want := range map[string]string{
		"run -h":              "leaktrace run: ",
		"run -h -- ls":        "leaktrace run: ",
		"run --help -- run":   "leaktrace run: ",
		"report --help a.ltz": "leaktrace report: ",
		"-h":                  "leaktrace: ",
		"--help a":            "leaktrace: ",
		"help":                "leaktrace: ",
		"help diff":           "leaktrace diff: ",
	} {
		var stdout, stderr bytes.Buffer
		status := start(append([]string{"leaktrace"}, strings.Fields(line)...), env{stdout: &stdout, stderr: &stderr})
		if status != 0 || !strings.HasPrefix(stdout.String(), want) || stderr.Len() > 0 {
			t.Errorf("leaktrace %s: status %d, %q, %s", line, status, stdout.String(), &stderr)
		}
	}
	for line, want := range map[string]string{
		"report help": "leaktrace: read report: open help: no such file or directory\n",
		"report h":    "leaktrace: read report: open h: no such file or directory\n",
		"diff help a": "leaktrace: read report: open help: no such file or directory\n",
	} {
		var stdout, stderr bytes.Buffer
		status := start(append([]string{"leaktrace"}, strings.Fields(line)...), env{stdout: &stdout, stderr: &stderr})
		if status != exitFailure || stdout.Len() > 0 || stderr.String() != want {
			t.Errorf("leaktrace %s: status %d, %q, %s", line, status, stdout.String(), &stderr)
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestHelpThatCannotBeWritten(t *testing.T) {
	for _, line := range []string{"--help", "run --help", "help run", "--version", ""} {
		var stderr bytes.Buffer
		status := start(append([]string{"leaktrace"}, strings.Fields(line)...), env{stdout: full{}, stderr: &stderr})
		if status != exitFailure || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("leaktrace %s: status %d: %s", line, status, &stderr)
		}
	}
}
