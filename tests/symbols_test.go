package tests

import (
	"bufio"
	"debug/elf"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// leakyFunction finds leaky's own functions among a program's symbols, also
// mangled by Rust. Where a standard library is linked in, only its symbols tell
// it from the program, so a stripped program's site may be in the library.
var leakyFunction = regexp.MustCompile(`^(?:_ZN5leaky\d+)?((?:leak|reap|end|join|close)_(?:child|thread|unjoined|socket)|hang_up_on)(?:17h\w+E)?$`)

// blameBySymbols names the first function of leaky's own in the stack of a
// stripped program, by the symbol table of another with the same code.
func blameBySymbols(t *testing.T, program string) func(tracer.Stack) string {
	t.Helper()
	symbols := readSymbols(t, filepath.Join(programs, program))
	return func(stack tracer.Stack) string {
		for _, frame := range stack.Frames {
			if name := leakyFunction.FindStringSubmatch(symbolAt(symbols, frame)); name != nil && frame.Function == "" {
				return name[1]
			}
		}
		return siteFunction(stack)
	}
}

// The code that a process has generated has the name that this process gave it, not that
// of what its parent had at the same address; what it has from its parent has the parent's.
func TestGeneratedCode(t *testing.T) {
	t.Parallel()
	s := attach(t, tracer.Options{Follow: true}, "jit") // both share what is mapped
	s.blame = func(stack tracer.Stack) string {
		for _, frame := range stack.Frames {
			if strings.HasPrefix(frame.Function, "compiled_") {
				return frame.Function
			}
		}
		return siteFunction(stack)
	}
	s.do("go 3")
	shot := s.snapshot()
	tallies := s.tallies(shot)
	for _, function := range []string{"compiled_by_worker", "compiled_for_all"} {
		if got, want := tallies["zombie "+function], (tally{Outstanding: 3, Created: 3}); got != want {
			t.Errorf("by way of %s: %+v, want %+v\n%s", function, got, want, render(shot))
		}
	}
}

func readSymbols(t *testing.T, path string) []elf.Symbol {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatalf("read symbols of %s: %v", path, err)
	}
	return symbols
}

// symbolAt names the function a frame's call is in: the frame has the address
// after the call.
func symbolAt(symbols []elf.Symbol, frame symbol.Frame) string {
	call := frame.Address - 1
	for _, s := range symbols {
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC && call >= s.Value && call < s.Value+s.Size {
			return s.Name
		}
	}
	return ""
}

func readLines(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		out = append(out, lines.Text())
	}
	return out
}
