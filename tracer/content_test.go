package tracer

import (
	"fmt"
	"runtime"
	"testing"
	"weak"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// Stacks that are alike share their content, and no others do.
func TestContentsShare(t *testing.T) {
	c := contents{byHash: make(map[uint64]weak.Pointer[content])}
	frames := []symbol.Frame{{Function: "read", Address: 1}, {Function: "main", Address: 2}}
	one := c.of(Stack{Frames: frames, Quality: Complete})
	frames[0].Module = "other"
	others := map[string]Stack{
		"quality": {Frames: []symbol.Frame{{Function: "read", Address: 1}, {Function: "main", Address: 2}}, Quality: FPUsed},
		"module":  {Frames: frames, Quality: Complete},
		"length":  {Frames: frames[:1], Quality: Complete},
	}
	for name, other := range others {
		if got := c.of(other); got == one || cmp.Diff(other, got.Stack) != "" {
			t.Errorf("another %s: shared, or changed: %v", name, got.Stack)
		}
	}
	same := Stack{Frames: []symbol.Frame{{Function: "read", Address: 1}, {Function: "main", Address: 2}}, Quality: Complete}
	if c.of(same).Frames[0].Module != "" {
		t.Error("the frames that were given are used again, and what was kept of them changed")
	}
	if first := c.of(same); c.of(same) != first {
		t.Error("two that are alike do not share")
	}
}

// What nothing refers to any more is let go of.
func TestContentsSweep(t *testing.T) {
	c := contents{byHash: make(map[uint64]weak.Pointer[content])}
	kept := c.of(Stack{Frames: []symbol.Frame{{Address: 1}}})
	for i := range 100_000 {
		c.of(Stack{Frames: []symbol.Frame{{Function: fmt.Sprint(i), Address: uint64(i) + 2}}})
		if i%1000 == 0 {
			runtime.GC()
		}
	}
	if len(c.byHash) > 5000 {
		t.Errorf("%d are still known", len(c.byHash))
	}
	if got := c.of(Stack{Frames: []symbol.Frame{{Address: 1}}}); got != kept {
		t.Error("one that is in use was let go of")
	}
}
