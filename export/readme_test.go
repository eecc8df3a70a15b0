package export

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// Every line of the README's suppression file matches what it says it does.
func TestREADMESuppressions(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)\n```\n(# known-leaks.txt\n.*?)```\n").FindSubmatch(readme)
	if example == nil {
		t.Fatal("README.md has no example of known-leaks.txt")
	}
	list, err := ReadSuppressions(strings.NewReader(string(example[1])), "known-leaks.txt")
	if err != nil {
		t.Fatal(err)
	}
	sites := services()
	audit := services()[5]
	audit.Fingerprint = "java"
	audit.Stack = stack(0, frame("com.example.Audit.log", "Audit.java", 7, 0x1))
	r := watch(append(sites, audit), 15, clean)
	var got []string
	for _, p := range list {
		for _, s := range r.Sites {
			if p.matches(s.Kind, s.suppressibleNames()) {
				got = append(got, p.Function+": "+s.Fingerprint)
			}
		}
	}
	want := []string{"Pool::grow*: 77e1", "com.example.Audit.*: java", "(before tracing*): 77e2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Sockets go together whose stacks read the same, in one slice or not.
func TestRelated(t *testing.T) {
	one := stack(0, frame("a", "a.c", 1, 1))
	two := stack(0, frame("b", "b.c", 2, 2), frame("a", "a.c", 1, 1))
	outer := tracer.Stack{Frames: two.Frames[:1]}
	var objects []tracer.Object
	for _, s := range []tracer.Stack{one, two, two, outer, stack(0, frame("b", "b.c", 2, 2), frame("a", "a.c", 1, 1)), {}, one} {
		objects = append(objects, tracer.Object{Socket: &tracer.SocketInfo{Creation: &s}})
	}
	var got []Related
	for _, r := range related(objects, func(o *tracer.SocketInfo) *tracer.Stack { return o.Creation }) {
		got = append(got, Related{Count: r.Count, Stack: r.Stack})
	}
	want := []Related{{Count: 3, Stack: two.Frames}, {Count: 2, Stack: one.Frames}, {Count: 1, Stack: outer.Frames}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
