package goroutine

import (
	"errors"
	"testing"
)

// TestQueued verifies programs while finalizers and cleanups are still to run that alone know
// what goroutines wait for.
func TestQueued(t *testing.T) {
	path := build(t, "queued", "", nil)
	for _, by := range []string{"finalizers", "cleanups"} {
		t.Run(by, func(t *testing.T) {
			p := run(t, path, by)
			p.line("ready %d")
			found, _, err := open(t, p.pid()).Verify(generous())
			if !errors.Is(err, errQueued) || len(found) > 0 {
				t.Errorf("%d unreachable, %v; want %v", len(found), err, errQueued)
			}
		})
	}
}
