package main

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/leaktrace/leaktrace/export"
)

// view shows a run while it goes on. Errors are left to the report, unless the view
// ends by one: that nobody looks on must not end the trace.
type view interface {
	// show shows a report, with how many objects are tracked. It does not wait.
	show(report *export.Report, tracked int)
	// ended is closed when the user has had enough; nil if he cannot say so.
	ended() <-chan struct{}
	// close leaves the terminal as it was.
	close() error
}

// blocks is a view for logs and for terminals that are not leaktrace's own: one
// block of lines after another.
type blocks struct{ out io.Writer }

func (b blocks) show(report *export.Report, _ int) {
	var table bytes.Buffer
	_ = report.WriteBlock(&table, export.TextOptions{Width: terminalWidth(b.out)})
	_, _ = b.out.Write(table.Bytes())
}

func (blocks) ended() <-chan struct{} { return nil }
func (blocks) close() error           { return nil }

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is how many columns a terminal has; 0 for what is none.
func terminalWidth(w any) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
