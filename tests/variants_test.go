package tests

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// variant is leaky in one language, compiled in one way.
type variant struct {
	program string
	kinds   []string // its arguments
	source  string   // where lines are checked
	symbols string   // a program with the same code, and with symbols
	want    map[string]tally
	calls   map[string]string // what is in the source line to blame, by function
}

const variantRounds = 3

func variants() []variant {
	return append(variantsOfC(),
		variant{program: "leaky-cc", kinds: allKinds, source: "leaky.cc", want: withAsync(leakyTallies("app::")), calls: map[string]string{
			"app::leak_child": "fork(", "app::leak_thread": "std::thread(", "app::leak_unjoined": "std::thread(", "app::leak_socket": "connect(",
		}},
		variant{program: "leaky-rs", kinds: allKinds, source: "leaky.rs", want: leakyTallies("leaky::"), calls: map[string]string{
			"leaky::leak_child": ".spawn()", "leaky::leak_thread": "thread::spawn(", "leaky::leak_unjoined": "thread::spawn(", "leaky::leak_socket": "::connect(",
		}},
		variant{program: "leaky-rs-stripped", kinds: allKinds, symbols: "leaky-rs", want: leakyTallies("")},
		variant{program: "leaky-go", kinds: []string{"zombie", "close-wait"}, source: "leakygo/main.go", calls: map[string]string{
			"main.leakChild": ".Start()", "main.leakSocket": "net.Dial(",
		}, want: addAccepts(map[string]tally{
			// Package os forks a child of its own once, to probe the kernel.
			"zombie main.leakChild":      {Outstanding: 3, Created: 4, Released: 1},
			"zombie main.reapChild":      threeGone,
			"close-wait main.leakSocket": threeKept, "close-wait main.closeSocket": threeGone,
		}, "main.hangUpOn", 6)},
	)
}

func variantsOfC() []variant {
	var out []variant
	for _, program := range []string{"leaky-o2", "leaky-fp", "leaky-static", "leaky-debugfile", "leaky-stripped"} {
		v := variant{program: program, kinds: allKinds, want: leakyTallies("")}
		if program == "leaky-stripped" {
			v.symbols = "leaky-o2"
		} else {
			v.source = "leaky.c"
			v.calls = map[string]string{
				"leak_child": "fork(", "leak_thread": "pthread_create(", "leak_unjoined": "pthread_create(", "leak_socket": "connect(",
			}
		}
		out = append(out, v)
	}
	return out
}

var allKinds = []string{"zombie", "thread", "unjoined", "close-wait"}

// leakyTallies is what leaky does to all kinds in three rounds.
func leakyTallies(prefix string) map[string]tally {
	out := make(map[string]tally)
	for key, want := range map[string]tally{
		"zombie leak_child": threeKept, "zombie reap_child": threeGone,
		"close-wait leak_socket": threeKept, "close-wait close_socket": threeGone,
		"thread leak_thread": threeKept, "thread end_thread": threeGone,
		"thread leak_unjoined": threeGone, "thread join_thread": threeGone,
		"unjoined-thread leak_unjoined": threeKept, "unjoined-thread join_thread": threeGone,
		"unjoined-thread end_thread": threeGone,
	} {
		kind, function, _ := strings.Cut(key, " ")
		out[kind+" "+prefix+function] = want
	}
	return addAccepts(out, prefix+"hang_up_on", 6)
}

// withAsync adds std::async, which joins its thread by itself.
func withAsync(want map[string]tally) map[string]tally {
	want["thread app::ask_async"], want["unjoined-thread app::ask_async"] = threeGone, threeGone
	return want
}

// The same leaks in every language and compiled in every way: the same
// functions are blamed, their twins are not, and every stack is complete.
func TestVariants(t *testing.T) {
	for _, v := range variants() {
		t.Run(v.program, func(t *testing.T) {
			t.Parallel()
			s := run(t, tracer.Options{Kinds: kindsNamed(v.kinds)}, v.program, v.kinds...)
			if v.symbols != "" {
				s.blame = blameBySymbols(t, v.symbols)
			}
			told := s.do(fmt.Sprintf("go %d", variantRounds))
			shot := s.snapshot()
			s.check(shot, v.want)
			s.checkStacks(shot)
			s.checkLeaky(shot, told)
			s.checkLines(shot, v)
		})
	}
}

// kindsNamed turns leaky's arguments into kinds. A Go program's threads are
// its runtime's, so its variant leaves them out.
func kindsNamed(names []string) []tracer.Kind {
	var out []tracer.Kind
	for _, name := range names {
		out = append(out, map[string]tracer.Kind{
			"zombie": tracer.Zombie, "thread": tracer.Thread,
			"unjoined": tracer.UnjoinedThread, "close-wait": tracer.CloseWait,
		}[name])
	}
	return out
}

// checkStacks checks that every site's stack is complete.
func (s *session) checkStacks(shot *tracer.Snapshot) {
	s.t.Helper()
	for _, site := range shot.Sites {
		if site.Stack.Quality != tracer.Complete {
			s.t.Errorf("a %s stack is %s\n%s", site.Kind, site.Stack.Quality, render(shot))
		}
	}
}

// checkLeaky compares the ids of all objects with what the program says.
func (s *session) checkLeaky(shot *tracer.Snapshot, told truth) {
	s.t.Helper()
	s.checkIDs("zombies", ofKind(shot, tracer.Zombie), byID, told.ZombiePIDs)
	s.checkIDs("threads", ofKind(shot, tracer.Thread), byID, told.ThreadTIDs)
	s.checkIDs("unjoined threads", ofKind(shot, tracer.UnjoinedThread), byID, told.UnjoinedTIDs)
	s.checkIDs("sockets", ofKind(shot, tracer.CloseWait), byPort, told.Ports)
}

// ofKind lists all outstanding objects of a kind.
func ofKind(shot *tracer.Snapshot, kind tracer.Kind) []tracer.Object {
	var out []tracer.Object
	for _, site := range shot.Sites {
		if site.Kind == kind {
			out = append(out, site.Outstanding...)
		}
	}
	return out
}

// checkLines checks that each leak is blamed on the source line of its call.
func (s *session) checkLines(shot *tracer.Snapshot, v variant) {
	s.t.Helper()
	for _, site := range shot.Sites {
		call := v.calls[s.blame(site.Stack)]
		if call == "" || len(site.Outstanding) == 0 {
			continue
		}
		lines := readLines(s.t, filepath.Join("programs", v.source))
		frame := site.Stack.Frames[site.Stack.Site]
		if filepath.Base(frame.File) != filepath.Base(v.source) || frame.Line < 1 || frame.Line > len(lines) {
			s.t.Errorf("%s is at %s:%d, not in %s", frame.Function, frame.File, frame.Line, v.source)
		} else if text := lines[frame.Line-1]; !strings.Contains(text, call) {
			s.t.Errorf("%s is blamed on line %d, %q, want one with %q", frame.Function, frame.Line, text, call)
		}
	}
}

// musl's static library has no unwind tables, so its stacks end early. They
// must say so, the counts must be right all the same, and whether a thread was
// joined is unknown rather than guessed.
func TestMusl(t *testing.T) {
	t.Parallel()
	s := run(t, tracer.Options{}, "leaky-musl", allKinds...)
	told := s.do(fmt.Sprintf("go %d", variantRounds))
	shot := s.lossySnapshot()
	s.checkIDs("zombies", ofKind(shot, tracer.Zombie), byID, told.ZombiePIDs)
	s.checkIDs("threads", ofKind(shot, tracer.Thread), byID, told.ThreadTIDs)
	s.checkIDs("unjoined threads", ofKind(shot, tracer.UnjoinedThread), byID, nil)
	s.checkIDs("sockets", ofKind(shot, tracer.CloseWait), byPort, told.Ports)
	for _, site := range shot.Sites {
		if site.Stack.Quality == tracer.Complete {
			t.Errorf("a %s stack is said to be complete\n%s", site.Kind, render(shot))
		}
	}
	unjudged := func(shot *tracer.Snapshot) (n uint64) {
		t.Helper()
		for _, lost := range shot.Lost {
			if (lost.Count != 0) != (lost.Name == "finished_threads_unjudged") {
				t.Errorf("lost %s: %d", lost.Name, lost.Count)
			}
			n += lost.Count
		}
		return n
	}
	before := unjudged(shot)
	s.end()
	for range 2 {
		if after := unjudged(s.lossySnapshot()); after != before {
			t.Errorf("%d finished threads were not judged, and %d when their process had ended", before, after)
		}
	}
}
