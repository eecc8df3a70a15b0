package tests

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// depthEvent is one thread and the stack it was created from, as glibc's
// backtrace() saw it.
type depthEvent struct {
	TID    int `json:"tid"`
	Frames []struct {
		Module  string `json:"module"`
		Address string `json:"address"`
	} `json:"frames"`
}

// In functions of every shape a compiler makes, with and without a library's
// frames in between, each frame above the creating function equals glibc's.
func TestDepth(t *testing.T) {
	const events = 250 // for each of four depths
	for _, depth := range []int{5, 20, 50, 100} {
		t.Run(strconv.Itoa(depth), func(t *testing.T) {
			t.Parallel()
			s := run(t, tracer.Options{}, "depth", strconv.Itoa(depth), strconv.Itoa(events))
			s.send("go")
			var told []depthEvent
			for range events {
				told = append(told, decode[depthEvent](s.program))
			}
			s.line() // the sum
			shot := s.snapshot()
			s.complete(shot)
			if n := shot.StackQuality[tracer.Complete]; n != events {
				t.Errorf("%d stacks were captured, want %d", n, events)
			}
			s.checkDepth(shot, told)
		})
	}
}

// checkDepth compares the stack of each event, and stops at the first wrong one.
func (s *session) checkDepth(shot *tracer.Snapshot, told []depthEvent) {
	s.t.Helper()
	got := s.framesByTID(shot)
	for i, event := range told {
		var want []string
		for _, frame := range event.Frames {
			want = append(want, frame.Module+"+"+frame.Address)
		}
		if diff := cmp.Diff(want, got[event.TID]); diff != "" {
			s.t.Fatalf("event %d: wrong frames (-backtrace +traced):\n%s", i, diff)
		}
	}
}

// framesByTID lists, for each thread, the frames above the function that
// created it: functions inlined into another have no frame in backtrace().
func (s *session) framesByTID(shot *tracer.Snapshot) map[int][]string {
	out := make(map[int][]string)
	for _, site := range shot.Sites {
		var frames []string
		above := false
		for _, frame := range site.Stack.Frames {
			if frame.Inlined {
				continue
			}
			if above {
				frames = append(frames, fmt.Sprintf("%s+%#x", frame.Module, frame.Address))
			}
			above = above || frame.Function == "spawn_at_bottom"
		}
		for _, object := range site.Outstanding {
			out[object.ID] = frames
		}
	}
	return out
}
