package tests

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// placeTruth is where programs/parked.c says that threads are blocked.
type placeTruth struct {
	Chain []string `json:"chain"`
	TIDs  []int    `json:"tids"`
}

// park tells the program to block threads, and reads where they all are.
func (s *session) park(command string) []placeTruth {
	s.t.Helper()
	s.send(command)
	return decode[struct {
		Places []placeTruth `json:"places"`
	}](s.program).Places
}

// parked asks where the live threads of a snapshot are.
func (s *session) parked() []tracer.Parked {
	s.t.Helper()
	parked, err := s.tracer.Parked(ofKind(s.snapshot(), tracer.Thread))
	if err != nil {
		s.t.Fatalf("look where threads are parked: %v", err)
	}
	return parked
}

// checkParked compares all that is blocked with what the program says.
func (s *session) checkParked(told []placeTruth, parked []tracer.Parked) {
	s.t.Helper()
	var got []placeTruth
	for _, p := range parked {
		got = append(got, placeTruth{Chain: chain(p), TIDs: p.Threads})
	}
	if diff := cmp.Diff(byFirst(told), byFirst(got)); diff != "" {
		s.t.Errorf("wrong places (-want +got):\n%.4000s", diff)
	}
}

// byFirst sorts places by their first thread.
func byFirst(places []placeTruth) []placeTruth {
	slices.SortFunc(places, func(a, b placeTruth) int { return a.TIDs[0] - b.TIDs[0] })
	return places
}

// chain is the application's functions, from the blamed one to the thread's
// own; the quality instead where that does not speak for them.
func chain(p tracer.Parked) []string {
	if p.Running {
		return nil
	}
	if p.Stack.Quality != tracer.Complete {
		out := []string{string(p.Stack.Quality)}
		for _, f := range p.Stack.Frames {
			out = append(out, renderFrame(f))
		}
		return out
	}
	var out []string
	for _, frame := range p.Stack.Frames[max(p.Stack.Site, 0):] {
		out = append(out, frame.Function)
		if strings.HasPrefix(frame.Function, "thread_") {
			break
		}
	}
	return out
}

// Threads are found where they are blocked, whatever with and however deep, and
// without frame pointers; also one that is no system call but a page fault.
func TestParked(t *testing.T) {
	for _, name := range []string{"parked", "parked-static"} {
		for how, begin := range map[string]begin{"run": run, "attach": attach} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				s := begin(t, tracer.Options{Kinds: []tracer.Kind{tracer.Thread}}, name)
				told := s.park("go 3")
				told = append(told, s.park("fault")...)
				s.send("busy 1")
				told = append(told, placeTruth{TIDs: decode[truth](s.program).TIDs})
				s.checkParked(told, s.parked())
			})
		}
	}
}
