package tests

import (
	"slices"
	"strings"
	"testing"
	"time"

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
	if diff := cmp.Diff(sorted(told), sorted(got)); diff != "" {
		s.t.Errorf("wrong places (-want +got):\n%.4000s", diff)
	}
}

// sorted sorts places by their functions, and tids, which may have wrapped.
func sorted(places []placeTruth) []placeTruth {
	for _, place := range places {
		slices.Sort(place.TIDs)
	}
	slices.SortFunc(places, func(a, b placeTruth) int { return slices.Compare(a.Chain, b.Chain) })
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
		if strings.HasPrefix(strings.TrimPrefix(frame.Function, "main."), "thread") {
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

// Threads of a Go program are found in the goroutine that holds them; those
// that have none wait in the scheduler.
func TestParkedGo(t *testing.T) {
	for how, begin := range map[string]begin{"run": run, "attach": attach} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s := begin(t, tracer.Options{Kinds: []tracer.Kind{tracer.Thread}}, "parked-go")
			told := s.park("go 3")
			var held []tracer.Parked
			for _, p := range s.parked() {
				if slices.ContainsFunc(told, func(place placeTruth) bool { return slices.Contains(place.TIDs, p.Threads[0]) }) {
					held = append(held, p)
				} else if !p.Running && (p.Stack.Quality != tracer.Complete || !strings.HasPrefix(siteFunction(p.Stack), "runtime.")) {
					t.Errorf("a thread of the scheduler is in %v", chain(p))
				}
			}
			s.checkParked(told, held)
		})
	}
}

// Ten thousand threads are no different, only more: each where it is, those at
// the same place together, and more at the place that has more.
func TestParkedMany(t *testing.T) {
	s := attach(t, tracer.Options{Kinds: []tracer.Kind{tracer.Thread}}, "parked")
	told := s.park("go 1000")
	s.checkParked(told, s.parked())
}

// churnBlocked is how often a churning thread must be found blocked for its
// stacks to say something. On a busy machine most are awake most of the time.
const churnBlocked = 1600

// A thread that wakes, moves on and blocks elsewhere while its stack is read is
// never shown with a mixture of two stacks.
func TestParkedChurn(t *testing.T) {
	s := attach(t, tracer.Options{Kinds: []tracer.Kind{tracer.Thread}}, "parked")
	s.send("churn 32")
	told := decode[truth](s.program)
	want := slices.Sorted(slices.Values(told.TIDs))
	objects := ofKind(s.snapshot(), tracer.Thread)
	blocked := 0
	for began := time.Now(); blocked < churnBlocked && time.Since(began) < patience; {
		parked, err := s.tracer.Parked(objects)
		if err != nil {
			t.Fatal(err)
		}
		var tids []int
		for _, p := range parked {
			tids = append(tids, p.Threads...)
			if !p.Running {
				blocked += len(p.Threads)
				checkNap(t, p)
			}
		}
		slices.Sort(tids)
		if diff := cmp.Diff(want, tids); diff != "" {
			t.Fatalf("wrong threads (-want +got):\n%s", diff)
		}
	}
	if blocked < churnBlocked {
		t.Errorf("threads were found blocked only %d times in %s", blocked, patience)
	}
}

// checkNap checks that a stack is one that programs/parked.c can have: nap in
// some depth of left, or in some depth of right, from thread_churn.
func checkNap(t *testing.T, p tracer.Parked) {
	t.Helper()
	got := chain(p)
	side := ""
	if len(got) > 1 {
		side = got[1]
	}
	want := append([]string{"nap"}, slices.Repeat([]string{side}, max(0, len(got)-2))...)
	want = append(want, "thread_churn")
	if diff := cmp.Diff(want, got); diff != "" || (side != "left" && side != "right") {
		t.Fatalf("a stack that cannot be (-want +got):\n%s", diff)
	}
}
