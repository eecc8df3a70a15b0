package goroutine

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// told is a goroutine as its own runtime shows it.
type told struct {
	Reason  string
	Parent  uint64
	Creator string   // function file:line
	Stack   []string // function file:line, innermost first
}

var heading = regexp.MustCompile(`^goroutine (\d+) .*\[([^],]+).*\]:$`)

// parseDump reads what a Go program prints at SIGQUIT.
func parseDump(t *testing.T, dump string) map[uint64]told {
	t.Helper()
	out := make(map[uint64]told)
	for block := range strings.SplitSeq(dump, "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		head := heading.FindStringSubmatch(lines[0])
		if head == nil {
			continue
		}
		g := told{Reason: strings.TrimSuffix(head[2], " (scan)")}
		for i := 1; i+1 < len(lines); i += 2 {
			place := strings.Fields(lines[i+1])[0]
			if creator, ok := strings.CutPrefix(lines[i], "created by "); ok {
				function, parent, _ := strings.Cut(creator, " in goroutine ")
				g.Creator = function + " " + place
				g.Parent = number(t, parent)
				break
			}
			function := lines[i][:strings.LastIndexByte(lines[i], '(')]
			g.Stack = append(g.Stack, function+" "+place)
		}
		if id := number(t, head[1]); id != 0 { // 0 is the scheduler
			out[id] = g
		}
	}
	return out
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("not a number: %q", s)
	}
	return n
}

// places names the calls at return addresses.
func (r *Runtime) places(stack ...uint64) (out []string) {
	for _, pc := range stack {
		calls, _ := r.program.Table.Lookup(pc - r.program.Bias - 1)
		for _, c := range calls {
			out = append(out, fmt.Sprintf("%s %s:%d", c.Function, c.File, c.Line))
		}
	}
	return out
}

// seen reads the goroutines that are still, in the form of told.
func seen(t *testing.T, r *Runtime) map[uint64]told {
	t.Helper()
	out := make(map[uint64]told)
	omitted, err := r.Scan(everyStack, func(g *Goroutine, stack []uint64) {
		if stack == nil {
			return
		}
		is := told{Reason: r.Reason(g.Reason), Parent: g.Parent, Stack: r.places(stack...)}
		if g.Status == Syscall {
			is.Reason = "syscall"
		}
		if creator := r.places(g.Creator); len(creator) > 0 && g.ID != 1 {
			is.Creator = creator[0]
		}
		out[g.ID] = is
	})
	if err != nil || omitted != 0 {
		t.Fatalf("%d omitted, %v", omitted, err)
	}
	return out
}

func everyStack(*Goroutine) bool { return true }

// await reads until as many goroutines wait that the program itself has started, and
// the one that has started them.
func await(t *testing.T, r *Runtime, n int) map[uint64]told {
	t.Helper()
	for own, end := 0, time.Now().Add(time.Minute); ; own = 0 {
		all := seen(t, r)
		for _, g := range all {
			if strings.HasPrefix(g.Creator, "main.") {
				own++
			}
		}
		if all[1].Reason == "chan receive" && own == n {
			return all
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines of the program's own wait, %d were to", own, n)
		}
	}
}

// compareWithDump reads a program that has started its goroutines, and compares with
// what its own runtime says.
func compareWithDump(t *testing.T, path string) {
	t.Helper()
	p := run(t, path)
	n := p.line("ready %d")
	got := await(t, open(t, p.pid()), n)
	want := parseDump(t, p.quit())
	kinds := make(map[string]bool)
	for id, w := range want {
		g, ok := got[id]
		if strings.HasPrefix(w.Creator, "runtime.") && id != 1 {
			// It may have run in between, as the garbage collector does.
			if !ok {
				continue
			}
			w.Reason, w.Stack = g.Reason, g.Stack
		}
		kinds[g.Reason] = true
		if diff := cmp.Diff(w, g); diff != "" {
			t.Errorf("goroutine %d: (-its runtime, +read)\n%s", id, diff)
		}
	}
	for id, g := range got {
		if _, ok := want[id]; !ok {
			t.Errorf("goroutine %d was read, and its runtime does not know it: %v", id, g)
		}
	}
	t.Logf("%d goroutines, %d reasons", len(got), len(kinds))
	if len(kinds) < 12 {
		t.Errorf("only so many reasons: %v", kinds)
	}
}

// variants are ways to build a program.
var variants = []struct {
	name  string
	env   []string
	flags []string
}{
	{"plain", []string{"CGO_ENABLED=0"}, nil},
	{"stripped PIE", []string{"CGO_ENABLED=0"}, []string{"-ldflags=-s -w", "-buildmode=pie"}},
	{"cgo", []string{"CGO_ENABLED=1"}, []string{"-ldflags=-s -w"}},
	{"race", []string{"CGO_ENABLED=1"}, []string{"-race", "-ldflags=-s"}},
}

// TestDump compares all that is read of a program with what its own runtime says.
func TestDump(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) { compareWithDump(t, build(t, "waits", "", v.env, v.flags...)) })
	}
}
