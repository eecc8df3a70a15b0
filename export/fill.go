package export

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// wrap writes the parts of an object's description, broken only between parts.
func (t text) wrap(parts []string) {
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	for i := range len(parts) - 1 {
		parts[i] += ","
	}
	t.fill("       ", parts)
}

// sentence writes a line, broken between words where it is too wide.
func (t text) sentence(indent, format string, args ...any) {
	t.fill(indent, strings.Split(fmt.Sprintf(format, args...), " "))
}

// fill writes pieces side by side, and further in on lines of their own what
// does not fit.
func (t text) fill(indent string, pieces []string) {
	line := indent
	for i, piece := range pieces {
		switch {
		case i == 0:
			line += piece
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(piece) > t.o.width():
			t.line("%s", line)
			line = indent + "    " + piece
		default:
			line += " " + piece
		}
	}
	t.line("%s", line)
}
