package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/export"
)

// The report fits the terminal that it goes to, and no other.
func TestReportWidth(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if err := unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 65}); err != nil {
		t.Fatal(err)
	}
	report := &export.Report{OwnLimits: []export.Limit{{Name: strings.Repeat("pool ", 16)}}}
	tests := map[string]struct {
		env    env
		output string
		want   int
	}{
		"terminal":             {env{stdout: terminal}, "", 64},
		"file, at a terminal":  {env{stdout: terminal}, "report.txt", 100},
		"standard output else": {env{stdout: new(bytes.Buffer)}, "", 100},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := &session{env: tt.env, options: runOptions{format: "text", output: tt.output}}
			var out bytes.Buffer
			if err := s.write(report, &out); err != nil {
				t.Fatal(err)
			}
			widest := 0
			for line := range strings.Lines(out.String()) {
				widest = max(widest, utf8.RuneCountInString(strings.TrimRight(line, "\n")))
			}
			if widest != tt.want {
				t.Errorf("%d columns, want %d:\n%s", widest, tt.want, out.String())
			}
		})
	}
}
