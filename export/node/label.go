package node

import (
	"cmp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
)

// Label tells series apart. Its strings are printable and of bounded length.
type Label struct {
	workload.Workload
	// Comm is the program, OtherPrograms for those of a container that runs too many.
	Comm string
}

func (l Label) compare(other Label) int {
	return cmp.Or(
		cmp.Compare(l.Namespace, other.Namespace), cmp.Compare(l.Pod, other.Pod),
		cmp.Compare(l.Container, other.Container), cmp.Compare(l.Comm, other.Comm),
	)
}

// Bounds of labels. A container that makes up names all the time gets new series
// for maxPrograms of them in an hour; the tracer tells as many apart at a time.
const (
	maxPrograms = 15
	maxLabel    = 128 // characters
	keepProgram = time.Hour
)

// labeller names scopes. It keeps the programs of each container that have a name
// of their own, and when it was used last.
type labeller struct {
	programs map[workload.Workload]map[string]time.Time
}

func newLabeller() *labeller {
	return &labeller{make(map[workload.Workload]map[string]time.Time)}
}

// label names the program of a scope whose container is known.
func (l *labeller) label(c workload.Workload, program string, now time.Time) Label {
	program = printable(program)
	known := l.programs[c]
	if known == nil {
		known = make(map[string]time.Time)
		l.programs[c] = known
	}
	named := len(known)
	if _, other := known[tracer.OtherPrograms]; other {
		named--
	}
	if _, ok := known[program]; !ok && named >= maxPrograms {
		program = tracer.OtherPrograms
	}
	known[program] = now
	return Label{c, program}
}

// forget makes room for other programs, and drops containers that have ended.
func (l *labeller) forget(now time.Time) {
	for c, known := range l.programs {
		ended := true
		for program, used := range known {
			ended = ended && used.Before(now)
			if now.Sub(used) > keepProgram {
				delete(known, program)
			}
		}
		if ended {
			delete(l.programs, c)
		}
	}
}

// printable bounds a string that comes from a traced process or its container, and
// escapes it if need be: names of systemd units are full of backslashes that mean
// nothing here.
func printable(s string) string {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		s = export.Escape(s)
	}
	if utf8.RuneCountInString(s) > maxLabel {
		s = string([]rune(s)[:maxLabel])
	}
	return s
}
