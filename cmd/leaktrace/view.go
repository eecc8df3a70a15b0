package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/leaktrace/leaktrace/export"
)

// view shows a run while it goes on: on a terminal a table that is redrawn in
// place, with a progress line below; elsewhere one block of lines after another.
type view struct {
	out      io.Writer
	terminal bool
	table    []byte
	status   string
	drawn    int // lines to go up before drawing again
}

// newView returns a view on out. It draws in place only where nobody else
// writes to the terminal: not where a command does.
func newView(out io.Writer, inPlace bool) *view {
	return &view{out: out, terminal: inPlace && isTerminal(out)}
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is how many columns there are now; 0 leaves it to the report.
func (v *view) width() int {
	if !v.terminal {
		return 0
	}
	return terminalWidth(v.out)
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

// progress says that leaktrace is alive. Without a terminal the blocks do.
func (v *view) progress(elapsed time.Duration, tracked int, cpu time.Duration) {
	if !v.terminal {
		return
	}
	v.status = fmt.Sprintf("tracing for %s · %d objects tracked · own CPU %.1f%%",
		elapsed.Round(time.Second), tracked, 100*cpu.Seconds()/max(elapsed.Seconds(), 1))
	v.draw()
}

// block shows the sites as they are now. Errors are left to the report: that
// nobody looks on must not end the trace.
func (v *view) block(report *export.Report) {
	var table bytes.Buffer
	_ = report.WriteBlock(&table, export.TextOptions{Width: v.width()})
	if !v.terminal {
		_, _ = v.out.Write(table.Bytes())
		return
	}
	v.table = table.Bytes()
	v.draw()
}

// draw replaces what was drawn last.
func (v *view) draw() {
	v.clear()
	fmt.Fprintf(v.out, "%s%s\n", v.table, v.status)
	v.drawn = bytes.Count(v.table, []byte{'\n'}) + 1
}

// clear takes the view off the terminal.
func (v *view) clear() {
	if v.drawn > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.drawn)
		v.drawn = 0
	}
}
