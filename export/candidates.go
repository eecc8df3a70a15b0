package export

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/triage"
)

const (
	// maxCandidates is how many processes are listed that are worth a look.
	maxCandidates = 20
	// leastOdd is how many columns there are for what is odd about a process.
	leastOdd = 36
	// maxUnreadable is how many processes are named that could not be read.
	maxUnreadable = 3
)

// WriteCandidates lists the processes that are most worth tracing, the worst first:
// what is odd about each, and what to type, which begins with sudo or with nothing. To
// others than root it says that root would see more.
func WriteCandidates(w io.Writer, l *triage.Look, sudo string, root bool, o TextOptions) error {
	t := text{bufio.NewWriter(w), nil, o}
	n := len(l.Worst)
	if n == 0 {
		t.nothingOdd(l)
	} else {
		t.sentence("", "worth a look, of %s, the worst first", plural(l.Processes, "process", "processes"))
		t.line("")
		t.candidates(l.Worst[:min(n, maxCandidates)], sudo)
	}
	if n > maxCandidates {
		t.line("... and %s", plural(n-maxCandidates, "more process", "more processes"))
	}
	t.hidden(l, root)
	return t.Flush()
}

// nothingOdd says what was looked at and was not odd. Sockets and limits are only
// known of processes that could be read.
func (t text) nothingOdd(l *triage.Look) {
	all, read := plural(l.Processes, "process", "processes"), l.Processes-len(l.Unreadable)
	switch {
	case len(l.Unreadable) == 0:
		t.sentence("", "nothing odd in %s: no zombies, no sockets in CLOSE_WAIT, nobody with %d threads or near a limit",
			all, triage.ManyThreads)
	case read == 0:
		t.sentence("", "no zombies and nobody with %d threads, of %s; more could not be looked at", triage.ManyThreads, all)
	default:
		t.sentence("", "no zombies and nobody with %d threads, of %s; no sockets in CLOSE_WAIT and nobody near a limit, of the %s that could be read",
			triage.ManyThreads, all, humanCount(read))
	}
}

// candidates writes a row for each process, and one more for each further oddity.
func (t text) candidates(worst []triage.Process, sudo string) {
	columns := []column{{"PID", true, nil}, {title: "PROCESS"}, {title: "WHAT IS ODD"}, {title: "TO FIND OUT WHY"}}
	for _, p := range worst {
		for i, odd := range oddities(p) {
			row := []string{"", "", odd, ""}
			if i == 0 {
				row = []string{strconv.Itoa(p.PID), Escape(p.Comm), odd, fmt.Sprintf("%sleaktrace run --pid %d", sudo, p.PID)}
			}
			for c := range columns {
				columns[c].cells = append(columns[c].cells, row[c])
			}
		}
	}
	odd := &columns[2]
	rest := max(leastOdd, t.o.width()-width(columns)+odd.width())
	for i, cell := range odd.cells {
		odd.cells[i] = head(cell, rest)
	}
	t.rows(columns)
}

// oddities says what is odd about a process, one thing a line.
func oddities(p triage.Process) (odd []string) {
	for _, l := range p.Limits {
		odd = append(odd, nearly(l, p))
	}
	if zombies := unreaped(p.Zombies); zombies != "" {
		odd = append(odd, zombies)
	}
	if p.CloseWait > 0 {
		odd = append(odd, plural(p.CloseWait, "socket in CLOSE_WAIT", "sockets in CLOSE_WAIT"))
	}
	if p.Threads >= triage.ManyThreads {
		odd = append(odd, plural(p.Threads, "thread", "threads"))
	}
	return odd
}

// nearly says how much of a limit is used. Whose it is the row says.
func nearly(l limit.Limit, p triage.Process) string {
	name := strings.Replace(l.Name, fmt.Sprintf(" of %s (pid %d)", p.Comm, p.PID), "", 1)
	return fmt.Sprintf("%s of %s %s (%d%%): %s", humanCount(l.Used), humanCount(l.Max), l.Resource, 100*l.Used/max(l.Max, 1), Escape(name))
}

// unreaped says which children a process would have to reap.
func unreaped(zombies []triage.Name) string {
	const most = 3
	var names []string
	total := 0
	for i, z := range zombies {
		total += z.Count
		if i < most {
			names = append(names, Escape(z.Name))
		}
	}
	if len(zombies) > most {
		names = append(names, "...")
	}
	if total == 0 {
		return ""
	}
	return plural(total, "zombie", "zombies") + " it must reap: " + strings.Join(names, ", ")
}

// hidden says what could not be seen.
func (t text) hidden(l *triage.Look, root bool) {
	switch unreadable := unreadable(l.Unreadable); {
	case unreadable != "" && !root:
		t.sentence("", "%s: run as root to see what they hold", unreadable)
	case unreadable != "":
		t.line("%s", unreadable)
	}
	if l.Unowned > 0 {
		t.sentence("", "%s held by no process that could be read", plural(l.Unowned, "socket in CLOSE_WAIT is", "sockets in CLOSE_WAIT are"))
	}
	if l.Partial {
		t.line("there are too many descriptors to look at them all: more sockets may be in CLOSE_WAIT")
	}
}

// unreadable says how many processes could not be read, and names some; empty if
// there are none.
func unreadable(pids []int) string {
	if len(pids) == 0 {
		return ""
	}
	var named []string
	for _, pid := range pids[:min(len(pids), maxUnreadable)] {
		named = append(named, strconv.Itoa(pid))
	}
	if len(pids) > maxUnreadable {
		named = append(named, "...")
	}
	return fmt.Sprintf("%s could not be read (pid %s)", plural(len(pids), "process", "processes"), strings.Join(named, ", "))
}
