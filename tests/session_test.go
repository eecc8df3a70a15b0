package tests

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// truth is what a program says it did. Every program fills in a part of it.
type truth struct {
	Zombies  int `json:"zombies"`
	Threads  int `json:"threads"`
	Unjoined int `json:"unjoined"`
	Finished int `json:"finished"`
	Reaped   int `json:"reaped"`
	Alive    int `json:"alive"`
	Reaper   int `json:"reaper"`

	CloseWait          int `json:"close_wait"`
	ChurnedThreads     int `json:"churned_threads"`
	ChurnedChildren    int `json:"churned_children"`
	ChurnedConnections int `json:"churned_connections"`

	ZombiePIDs   []int `json:"zombie_pids"`
	AlivePIDs    []int `json:"alive_pids"`
	ThreadTIDs   []int `json:"thread_tids"`
	UnjoinedTIDs []int `json:"unjoined_tids"`
	TIDs         []int `json:"tids"`
	Ports        []int `json:"ports"`

	Sockets []socketTruth `json:"sockets"`
}

// session is a program under trace.
type session struct {
	*program
	tracer *tracer.Tracer
	// target is what trace names; 0 for the started process itself.
	target int
	// blame names the function a stack blames. Tests of stripped programs look
	// addresses up in the same program with symbols.
	blame func(tracer.Stack) string
}

// newSession attaches the hooks for a program that does not run yet. After the
// test the program must end by itself, the tracer must see it end, and Close
// must free all without an error.
func newSession(t *testing.T, options tracer.Options, name string, args ...string) *session {
	t.Helper()
	tr, err := tracer.New(options)
	if err != nil {
		t.Fatalf("new tracer: %v", err)
	}
	s := &session{program: newProgram(t, name, args...), tracer: tr, blame: siteFunction}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("close tracer: %v", err)
		}
		if err := tr.Close(); err != nil {
			t.Errorf("close tracer again: %v", err)
		}
	})
	t.Cleanup(s.seesExit)
	return s
}

// run traces a program from its first instruction, as `leaktrace run --` does.
func run(t *testing.T, options tracer.Options, name string, args ...string) *session {
	t.Helper()
	s := newSession(t, options, name, args...)
	s.start(s.tracer.Start)
	return s
}

// attach traces a program that runs already, as `leaktrace run --pid` does.
func attach(t *testing.T, options tracer.Options, name string, args ...string) *session {
	t.Helper()
	s := newSession(t, options, name, args...)
	s.startUntraced()
	s.trace()
	return s
}

func (s *session) startUntraced() {
	s.t.Helper()
	s.start((*exec.Cmd).Start)
}

// trace begins to trace a program that was started untraced.
func (s *session) trace() {
	s.t.Helper()
	if s.target == 0 {
		s.target = s.cmd.Process.Pid
	}
	if err := s.tracer.Trace(s.target); err != nil {
		s.t.Fatalf("trace %s: %v", s.cmd.Path, err)
	}
}

// finish ends a session before its test ends.
func (s *session) finish() {
	s.t.Helper()
	s.end()
	s.seesExit()
	if err := s.tracer.Close(); err != nil {
		s.t.Errorf("close tracer: %v", err)
	}
}

// seesExit checks that the tracer learns of the end of its target.
func (s *session) seesExit() {
	if s.tracer.Target().PID == 0 {
		return // it never began
	}
	select {
	case <-s.tracer.Exited():
	case <-time.After(patience):
		s.t.Errorf("the tracer has not seen that process %d ended", s.pid)
	}
}

// snapshot takes a snapshot and checks what holds in every test: nothing is
// lost, and nobody is blamed more often than there are objects.
func (s *session) snapshot() *tracer.Snapshot {
	s.t.Helper()
	shot := s.lossySnapshot()
	for _, lost := range shot.Lost {
		if lost.Count != 0 {
			s.t.Errorf("lost %s: %d\n%s", lost.Name, lost.Count, render(shot))
		}
	}
	return shot
}

// lossySnapshot is for tests that make the tracer lose something.
func (s *session) lossySnapshot() *tracer.Snapshot {
	s.t.Helper()
	shot, err := s.tracer.Snapshot()
	if err != nil {
		s.t.Fatalf("take snapshot: %v", err)
	}
	return shot
}

// tally is what a snapshot counts for one kind and function.
type tally struct {
	Outstanding       int
	Created, Released uint64
}

// tallies sums the sites of a snapshot by "kind function".
func (s *session) tallies(shot *tracer.Snapshot) map[string]tally {
	out := make(map[string]tally)
	for _, site := range shot.Sites {
		key := string(site.Kind) + " " + s.blame(site.Stack)
		sum := out[key]
		sum.Outstanding += len(site.Outstanding)
		sum.Created += site.Created
		sum.Released += site.Released
		out[key] = sum
	}
	return out
}

// siteFunction names a stack's site.
func siteFunction(stack tracer.Stack) string {
	if stack.Site < 0 {
		return noStack
	}
	return functionOf(stack.Frames[stack.Site])
}

// noStack stands for the function where there is no stack to blame.
const noStack = "(no stack)"

// check compares all tallies of a snapshot with the wanted ones: also what is
// not named must not be there.
func (s *session) check(shot *tracer.Snapshot, want map[string]tally) {
	s.t.Helper()
	s.checkTallies(shot, want, s.tallies(shot))
}

func (s *session) checkTallies(shot *tracer.Snapshot, want, got map[string]tally) {
	s.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("wrong sites (-want +got):\n%s%s", diff, render(shot))
	}
}

// complete checks that every stack captured so far is complete.
func (s *session) complete(shot *tracer.Snapshot) {
	s.t.Helper()
	for quality, n := range shot.StackQuality {
		if quality != tracer.Complete && n != 0 {
			s.t.Errorf("%d stacks are %s\n%s", n, quality, render(shot))
		}
	}
}

// outstanding lists a kind's objects blamed on a function.
func (s *session) outstanding(shot *tracer.Snapshot, kind tracer.Kind, function string) []tracer.Object {
	var out []tracer.Object
	for _, site := range shot.Sites {
		if site.Kind == kind && s.blame(site.Stack) == function {
			out = append(out, site.Outstanding...)
		}
	}
	return out
}

// checkIDs compares the ids of objects with what the program says.
func (s *session) checkIDs(what string, objects []tracer.Object, id func(tracer.Object) int, want []int) {
	s.t.Helper()
	var got []int
	for _, object := range objects {
		got = append(got, id(object))
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		s.t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func byID(o tracer.Object) int   { return o.ID }
func byPort(o tracer.Object) int { return int(o.Socket.Local.Port()) }
