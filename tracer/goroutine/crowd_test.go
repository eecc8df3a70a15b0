package goroutine

import (
	"encoding/binary"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// callers is who calls the functions of testdata/crowd that wait.
var callers = map[string][]string{
	"main.waitAt":  {"main.waitAt", "main.parked", "main.mortal"},
	"main.parked":  {"main.main.func1"},
	"main.ping":    {"runtime.goexit", "main.main.gowrap1"},
	"main.pong":    {"runtime.goexit", "main.main.gowrap2"},
	"main.churn":   {"runtime.goexit"},
	"main.mortal":  {"runtime.goexit", "main.churn.gowrap1"},
	"runtime.main": {"runtime.goexit"},
}

// TestChurn looks whether any stack of a program that never rests is a mixture of two.
func TestChurn(t *testing.T) { readChurn(t, 100_000) }

// readChurn reads so many stacks.
func readChurn(t *testing.T, reads int) {
	t.Helper()
	const resting = 100
	p := run(t, build(t, "crowd", "", []string{"CGO_ENABLED=0"}, "-ldflags=-s -w"), strconv.Itoa(resting), "churn")
	p.line("ready %d")
	r := open(t, p.pid())
	var tried, read, moving int
	checked := make(map[string]bool)
	var key []byte
	for read < reads {
		_, err := r.Scan(everyStack, func(g *Goroutine, stack []uint64) {
			if g.still() {
				tried++
			}
			if stack == nil {
				return
			}
			read++
			if g.ID > 2*resting {
				moving++
			}
			key = key[:0]
			for _, pc := range stack {
				key = binary.NativeEndian.AppendUint64(key, pc)
			}
			if checked[string(key)] {
				return
			}
			checked[string(key)] = true
			if names := r.functions(stack); !possible(names) {
				t.Errorf("goroutine %+v: %q", *g, names)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d stacks, %d of them of goroutines that come and go; %d had changed meanwhile; %d different", read, moving, tried-read, len(checked))
	if moving < reads/100 {
		t.Errorf("only %d stacks of goroutines that come and go", moving)
	}
}

// functions names the functions of a stack, innermost first.
func (r *Runtime) functions(stack []uint64) (names []string) {
	for _, pc := range stack {
		calls, _ := r.program.Table.Lookup(pc - r.program.Bias - 1)
		for _, c := range calls {
			names = append(names, c.Function)
		}
	}
	return names
}

// possible tells whether each function of the program is called by one that does so.
func possible(names []string) bool {
	if len(names) < 2 || names[len(names)-1] != "runtime.goexit" {
		return false
	}
	for i, name := range names[:len(names)-1] {
		if by, own := callers[name]; own && !slices.Contains(by, names[i+1]) {
			return false
		}
	}
	return true
}

// TestCrowd reads 100,000 goroutines in the processor time that is allowed. It is the
// best of some tries: other programs may have emptied the caches.
func TestCrowd(t *testing.T) {
	const n = 100_000
	p := run(t, build(t, "crowd", "", []string{"CGO_ENABLED=0"}, "-ldflags=-s -w"), strconv.Itoa(n))
	p.line("ready %d")
	r := open(t, p.pid())
	records, stacks := time.Hour, time.Hour
	for range 10 {
		all, read := 0, 0
		records = min(records, timeOf(t, func() {
			_, err := r.Scan(nil, func(*Goroutine, []uint64) { all++ })
			if err != nil {
				t.Fatal(err)
			}
		}))
		stacks = min(stacks, timeOf(t, func() {
			_, err := r.Scan(everyStack, func(_ *Goroutine, stack []uint64) {
				if stack != nil {
					read++
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}))
		if all < n || read < n {
			t.Errorf("%d goroutines, %d stacks", all, read)
		}
	}
	t.Logf("%d goroutines: %s, with stacks %s", n, records, stacks)
	if records > 100*time.Millisecond || stacks > 250*time.Millisecond {
		t.Errorf("%d goroutines took %s, with stacks %s", n, records, stacks)
	}
}

// timeOf is the processor time that do takes, which stays on its thread.
func timeOf(t *testing.T, do func()) time.Duration {
	t.Helper()
	now := func() int64 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now); err != nil {
			t.Fatal(err)
		}
		return now.Nano()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := now()
	do()
	return time.Duration(now() - began)
}
