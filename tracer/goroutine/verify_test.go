package goroutine

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// generous is more than any test needs.
func generous() Limits {
	return Limits{Objects: 1 << 24, Bytes: 8 << 30, Until: time.Now().Add(5 * time.Minute), Pause: 20 * time.Millisecond}
}

// share is how many goroutines of some are unreachable.
type share struct{ Unreachable, All int }

func (s share) String() string { return fmt.Sprintf("%d of %d", s.Unreachable, s.All) }

var sort = regexp.MustCompile(`^main\.(?:\(\*agent\)\.)?(leak|lock|keep)(\w+)$`)

// sorts counts the goroutines of testdata/leaks by the function that they began at.
func sorts(t testing.TB, r *Runtime, found map[uint64]Goroutine) map[string]share {
	t.Helper()
	out := make(map[string]share)
	_, err := r.Scan(everyStack, func(g *Goroutine, stack []uint64) {
		names := r.functions(stack)
		for i := range names {
			if is := sort.FindStringSubmatch(names[len(names)-1-i]); is != nil {
				s := out[is[1]+is[2]]
				s.All++
				if _, ok := found[g.ID]; ok {
					s.Unreachable++
				}
				out[is[1]+is[2]] = s
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// begun counts the goroutines of all sorts.
func begun(all map[string]share) (n int) {
	for _, s := range all {
		n += s.All
	}
	return n
}

// runLeaks runs testdata/leaks until all its goroutines wait.
func runLeaks(t testing.TB, path string) *target {
	t.Helper()
	p := run(t, path)
	n := p.line("ready %d")
	r := open(t, p.pid())
	for end := time.Now().Add(time.Minute); begun(sorts(t, r, nil)) != n; {
		if time.Now().After(end) {
			t.Fatalf("of %d goroutines these wait: %v", n, sorts(t, r, nil))
		}
	}
	return p
}

// TestVerify compares what is found of goroutines with what their program means them to be.
func TestVerify(t *testing.T) {
	for _, v := range variants[:2] {
		t.Run(v.name, func(t *testing.T) { verifyLeaks(t, build(t, "leaks", "", v.env, v.flags...), true, half) })
	}
}

// Of each sort half must be found. The race detector makes stacks much larger, and leaves
// more on them: there none need be, if none is of those that are not leaks.
const (
	half = 2
	none = 0
)

// verifyLeaks verifies the goroutines of testdata/leaks, where the runtime tells of locks
// or not, and one part in so many of each sort is to be found.
func verifyLeaks(t *testing.T, path string, locks bool, part int) {
	t.Helper()
	r := open(t, runLeaks(t, path).pid())
	found, _, err := r.Verify(generous())
	if err != nil {
		t.Fatal(err)
	}
	var sum share
	for name, s := range sorts(t, r, found) {
		leaks := strings.HasPrefix(name, "leak") || strings.HasPrefix(name, "lock") && locks
		switch {
		case !leaks && s.Unreachable > 0:
			t.Errorf("%s unreachable: %s", name, s)
		case leaks && part*s.Unreachable < s.All && part != none:
			t.Errorf("%s unreachable: only %s", name, s)
		}
		if sum.Unreachable += s.Unreachable; leaks {
			sum.All += s.All
		}
	}
	t.Logf("unreachable: %s", sum)
}
