package tracer

import "testing"

// TestSkips has hooks skipped of which twins see some, some of them a moment later.
func TestSkips(t *testing.T) {
	var s skips
	for i, step := range []struct{ missed, seen, lost uint64 }{
		{0, 0, 0},
		{3, 2, 0}, // one twin has yet to run
		{3, 3, 0},
		{9, 5, 0}, // some of these four were lost
		{9, 7, 2},
		{10, 7, 2},
		{12, 7, 3},
		{12, 13, 3}, // two tasks of one place: one twin more
	} {
		if lost := s.add(step.missed, step.seen); lost != step.lost {
			t.Errorf("step %d: %d lost, want %d", i, lost, step.lost)
		}
	}
}
