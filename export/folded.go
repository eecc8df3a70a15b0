package export

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteFolded writes one line per stack for flamegraph.pl and its kin: the
// kind and the frames, root first, and how many objects are outstanding.
func (r *Report) WriteFolded(w io.Writer) error {
	counts := map[string]int{}
	for _, s := range r.Sites {
		counts[s.folded()] += s.Outstanding
	}
	out := bufio.NewWriter(w)
	for _, stack := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(out, "%s %d\n", stack, counts[stack])
	}
	return out.Flush()
}

func (s Site) folded() string {
	frames := []string{foldedName(string(s.Kind))}
	for _, f := range slices.Backward(s.Stack) {
		name := foldedName(frameName(f))
		if f.Inlined {
			name += "_[i]" // flamegraph.pl's mark
		}
		frames = append(frames, name)
	}
	if len(s.Stack) == 0 {
		frames = append(frames, foldedName(s.nameless()))
	}
	return strings.Join(frames, ";")
}

// foldedName keeps the format's separator out of a name. The readers take the
// last space of a line for the one before the count, so spaces may stay, but
// not at the ends, where they are trimmed.
func foldedName(name string) string {
	return strings.TrimSpace(strings.ReplaceAll(Escape(name), ";", ":"))
}
