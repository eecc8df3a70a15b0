package tests

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// rescueAll makes Go walk a copy of every stack, whatever the kernel could do.
func rescueAll() tracer.Options {
	return tracer.Options{Tuning: tracer.Tuning{
		Constants: map[string]any{"rescue_all": true, "rescue_rate": ^uint32(0)},
		Entries:   map[string]uint32{"events": 64 << 20},
	}}
}

// Two tracers see the same creations at the same instants: one walks the stack
// in the kernel, the other in Go, from a copy. They find the same frames.
func TestUnwinders(t *testing.T) {
	const all = "zombie thread unjoined close-wait"
	tests := []struct {
		program          string
		answers, objects int
		deep             bool // some stacks are larger than a copy
	}{
		{program: "depth 5 100", answers: 101, objects: 100},
		{program: "depth 20 100", answers: 101, objects: 100},
		{program: "depth 50 100", answers: 101, objects: 100, deep: true},
		{program: "depth 100 100", answers: 101, objects: 100, deep: true},
		{program: "leaky-o2 " + all, answers: 1, objects: 4},
		{program: "leaky-fp " + all, answers: 1, objects: 4},
		{program: "leaky-static " + all, answers: 1, objects: 4},
		{program: "leaky-stripped " + all, answers: 1, objects: 4},
		{program: "leaky-musl zombie close-wait", answers: 1, objects: 2},
		{program: "leaky-cc " + all, answers: 1, objects: 4},
		{program: "leaky-rs " + all, answers: 1, objects: 4},
		{program: "leaky-go zombie close-wait", answers: 1, objects: 2},
		{program: "dlopen", answers: 1, objects: 2},
	}
	for _, test := range tests {
		t.Run(test.program, func(t *testing.T) {
			t.Parallel()
			words := strings.Fields(test.program)
			walked := attach(t, tracer.Options{}, words[0], words[1:]...)
			copied := alsoTrace(t, walked, rescueAll())
			walked.send("go") // once: a site shows one stack of those that read the same
			for range test.answers {
				walked.line()
			}
			want, got := stacksByObject(walked.snapshot()), stacksByObject(copied.snapshot())
			if test.deep {
				cutToCopies(want, got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the unwinders differ (-kernel +copy):\n%s", diff)
			}
			if len(want) < test.objects {
				t.Errorf("%d objects were compared, want %d or more", len(want), test.objects)
			}
		})
	}
}

// alsoTrace traces the program of a session by a second tracer.
func alsoTrace(t *testing.T, other *session, options tracer.Options) *session {
	t.Helper()
	tr, err := tracer.New(options)
	if err != nil {
		t.Fatalf("new tracer: %v", err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("close tracer: %v", err)
		}
	})
	if err := tr.Trace(other.target); err != nil {
		t.Fatalf("trace %s again: %v", other.cmd.Path, err)
	}
	return &session{program: other.program, tracer: tr, blame: siteFunction}
}

// cutToCopies cuts what was walked to what there is in copies of 32 KiB.
func cutToCopies(walked, copied map[string][]string) {
	for object, frames := range copied {
		if frames[0] == string(tracer.Truncated) && len(frames) > 50 && len(frames) < len(walked[object]) {
			walked[object] = append([]string{frames[0]}, walked[object][1:len(frames)]...)
		}
	}
}

// stacksByObject lists the stack of each outstanding object, and its quality.
func stacksByObject(shot *tracer.Snapshot) map[string][]string {
	out := make(map[string][]string)
	for _, site := range shot.Sites {
		lines := []string{string(site.Stack.Quality)}
		for _, frame := range site.Stack.Frames {
			lines = append(lines, renderFrame(frame))
		}
		for _, o := range site.Outstanding {
			out[fmt.Sprint(o.Kind, " ", o.ID)] = lines
		}
	}
	return out
}
