package symbol

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

const goProgram = `package main

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
)

type record struct { PC uint64; Frames []runtime.Frame }

var pcs [64]uintptr
var n int

func capture() { n = runtime.Callers(0, pcs[:]) }
func inlinedLeaf() { capture() }
func inlinedMiddle(k int) { if k > 0 { inlinedLeaf() } }

type server struct{}
//go:noinline
func (s *server) handle(k int) { inlinedMiddle(k); inlinedMiddle(k-1) }
//go:noinline
func generic[T any](x T) { func() { (&server{}).handle(len([]T{x})) }() }

func main() {
	strings.Map(func(r rune) rune { generic(int(r)); return r }, "a")
	var out []runtime.Frame
	var raw []uint64
	for _, pc := range pcs[:n] { raw = append(raw, uint64(pc)) }
	it := runtime.CallersFrames(pcs[:n])
	for {
		f, more := it.Next()
		out = append(out, runtime.Frame{PC: f.PC, Function: f.Function, File: f.File, Line: f.Line, Entry: f.Entry})
		if !more { break }
	}
	start := runtime.FuncForPC(pcs[n-1]).Entry()
	json.NewEncoder(os.Stdout).Encode(map[string]any{"frames": out, "raw": raw, "goexit": start})
}
`

// TestGo compares with what the program's own runtime says.
func TestGo(t *testing.T) {
	for name, flags := range map[string][]string{
		"plain":        nil,
		"stripped":     {"-ldflags=-s -w"},
		"pie":          {"-buildmode=pie"},
		"pie stripped": {"-buildmode=pie", "-ldflags=-s -w"},
		"trimpath":     {"-trimpath"},
		"no inlining":  {"-gcflags=-l"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "main.go", goProgram)
			write(t, dir, "go.mod", "module example.com/app\n\ngo 1.22\n")
			run(t, dir, "go", append(append([]string{"build", "-o", "app"}, flags...), ".")...)
			compareGo(t, filepath.Join(dir, "app"))
		})
	}
}

func compareGo(t *testing.T, path string) {
	var got struct {
		Frames []struct {
			PC, Entry      uint64
			Function, File string
			Line           int
		}
		Goexit uint64
	}
	if err := json.Unmarshal([]byte(execute(t, path)), &got); err != nil {
		t.Fatal(err)
	}
	f := open(t, path, "")
	f.load()
	if f.gotab == nil {
		t.Fatal("no pclntab found")
	}
	// The load bias is what runtime.goexit differs by.
	bias := got.Goexit - entryOf(t, f, "runtime.goexit")
	checked := 0
	for i, want := range got.Frames {
		// CallersFrames reports PC as the call's address for every frame.
		for _, fr := range f.Frames(want.PC - bias + 1) {
			if i >= len(got.Frames) {
				t.Fatalf("more frames than the runtime's: %+v", fr)
			}
			w := got.Frames[i]
			if fr.Function != w.Function || fr.File != w.File || fr.Line != w.Line {
				t.Errorf("frame %d: got %s %s:%d, runtime says %s %s:%d", i, fr.Function, fr.File, fr.Line, w.Function, w.File, w.Line)
			}
			i, checked = i+1, checked+1
		}
	}
	if checked < 8 {
		t.Errorf("only %d frames compared", checked)
	}
}

// entryOf finds a Go function by searching the text for its start.
func entryOf(t *testing.T, f *File, name string) uint64 {
	t.Helper()
	addr, ok := f.gotab.Entry(name)
	if !ok {
		t.Fatalf("%s has no function %s", f.name, name)
	}
	return addr
}
