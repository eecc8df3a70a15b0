package export

import (
	"path"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// payload is what the script of a page draws: texts, frames and stacks once each, by
// number. All texts are escaped and of bounded length.
type payload struct {
	// Mode is "report" or "diff".
	Mode string `json:"mode"`
	// Duration is that of a report, in seconds.
	Duration float64  `json:"duration,omitempty"`
	Strings  []string `json:"strings"`
	// Frames are function, file, line, module and URL; all but the line are strings'
	// numbers. A frame that is inlined has another 1.
	Frames [][]int `json:"frames"`
	// Stacks are frames' numbers, innermost call first.
	Stacks [][]int    `json:"stacks"`
	Kinds  []string   `json:"kinds"`
	Sites  []siteData `json:"sites,omitempty"`
	Pairs  []pairData `json:"pairs,omitempty"`
}

// tables collects the texts, frames and stacks of a payload.
type tables struct {
	payload
	source  SourceURL
	strings map[string]int
	frames  map[symbol.Frame]int
	stacks  *stackIndex
}

func newTables(mode string, o HTMLOptions) *tables {
	return &tables{
		payload: payload{Mode: mode, Strings: []string{}, Frames: [][]int{}, Stacks: [][]int{}, Kinds: []string{}},
		source:  o.Source,
		strings: make(map[string]int),
		frames:  make(map[symbol.Frame]int),
		stacks:  newStackIndex(),
	}
}

// text numbers a text, which is escaped.
func (t *tables) text(escaped string) int {
	i, known := t.strings[escaped]
	if !known {
		i = len(t.Strings)
		t.strings[escaped] = i
		t.Strings = append(t.Strings, escaped)
	}
	return i
}

// kind numbers a kind.
func (t *tables) kind(name string) int {
	name = shown(Escape(name))
	if i := slices.Index(t.Kinds, name); i >= 0 {
		return i
	}
	t.Kinds = append(t.Kinds, name)
	return len(t.Kinds) - 1
}

// order numbers the kinds that are there, as a reader of other reports knows them.
func (t *tables) order(there func(tracer.Kind) bool) {
	for _, kind := range tracer.Kinds() {
		if there(kind) {
			t.kind(string(kind))
		}
	}
}

// Bounds of what is shown of a site, beyond what the tracer finds: reports are read from
// files too.
const (
	maxFrames = 1024
	maxPoints = 64
)

// stack numbers a stack; -1 is for none.
func (t *tables) stack(stack []symbol.Frame) int {
	if len(stack) == 0 {
		return -1
	}
	stack = stack[:min(len(stack), maxFrames)]
	i := t.stacks.of(stack)
	if i == len(t.Stacks) {
		numbers := make([]int, len(stack))
		for n, f := range stack {
			numbers[n] = t.frame(f)
		}
		t.Stacks = append(t.Stacks, numbers)
	}
	return i
}

// frame numbers a frame by what a page shows of it. Its address is of no interest.
func (t *tables) frame(f symbol.Frame) int {
	key := f
	key.BuildID = ""
	if f.Function != "" {
		key.Address = 0
	}
	i, known := t.frames[key]
	if known {
		return i
	}
	file := ""
	if f.File != "" && f.Line > 0 && f.Function != "" {
		file = shown(Escape(f.File))
	}
	module := path.Base(f.Module)
	if f.Module == "" {
		module = ""
	}
	row := []int{t.text(shown(Escape(frameName(f)))), t.text(file), f.Line, t.text(shown(Escape(module))), t.text(t.source.Of(f))}
	if f.Inlined {
		row = append(row, 1)
	}
	i = len(t.Frames)
	t.frames[key] = i
	t.Frames = append(t.Frames, row)
	return i
}
