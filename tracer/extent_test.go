package tracer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExtents moves runs in and out of a map of 10 entries.
func TestExtents(t *testing.T) {
	free := newExtents(10)
	place := func(count uint32) extent {
		t.Helper()
		e, ok := free.take(count)
		if !ok {
			t.Fatalf("no room for %d in %v", count, free)
		}
		return e
	}
	a, b, c := place(3), place(4), place(3)
	if e, ok := free.take(1); ok {
		t.Errorf("found room in a full map: %v", e)
	}
	if got := place(0); got != (extent{}) {
		t.Errorf("nothing needs no room: got %v", got)
	}
	free.give(a)
	free.give(c)
	free.give(extent{})
	want := extents{{0, 3}, {7, 3}}
	if diff := cmp.Diff(want, free, cmp.AllowUnexported(extent{})); diff != "" {
		t.Errorf("two holes: %s", diff)
	}
	if got := place(2); got != (extent{0, 2}) {
		t.Errorf("first fit: got %v", got)
	}
	free.give(extent{0, 2})
	free.give(b)
	if diff := cmp.Diff(extents{{0, 10}}, free, cmp.AllowUnexported(extent{})); diff != "" {
		t.Errorf("all given back: %s", diff)
	}
}
