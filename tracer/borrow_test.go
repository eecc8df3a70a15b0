package tracer

import (
	"fmt"
	"testing"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// path is a stack of application functions, root first as one thinks of them,
// below a call of libc's.
func path(call string, functions ...string) *stack {
	frames := []symbol.Frame{{Function: call, Module: "/usr/lib/libc.so.6"}}
	for i := len(functions) - 1; i >= 0; i-- {
		frames = append(frames, symbol.Frame{Function: functions[i], Module: "/srv/app"})
	}
	frames = append(frames, symbol.Frame{Function: "__libc_start_main", Module: "/usr/lib/libc.so.6"})
	return stackOf(Stack{Frames: frames, Site: symbol.Site(frames)})
}

func stackOf(known Stack) *stack { return &stack{content: newContent(known)} }

func TestBorrower(t *testing.T) {
	get := func(borrower ...string) *stack {
		return path("recv", append(borrower, "http_get", "http_read")...)
	}
	tests := map[string]struct {
		created, used *stack
		others        []*stack // other uses that were seen
		want          string   // the last borrower's function; empty: the creator
	}{
		"the creator's own use": {
			created: path("connect", "main", "fetch"),
			used:    path("recv", "main", "fetch", "read_reply"),
		},
		"used directly by the creator": {
			created: path("connect", "main", "fetch"),
			used:    path("recv", "main", "fetch"),
		},
		"helpers of one caller": {
			created: path("connect", "main", "serve", "fetch", "open_connection"),
			used:    path("recv", "main", "serve", "fetch", "read_reply"),
			others:  []*stack{path("send", "main", "serve", "fetch", "send_request")},
		},
		"another borrower connected": {
			created: path("connect", "main", "borrow_ok", "http_get", "pool_connect"),
			used:    get("main", "borrow_leak"), others: []*stack{get("main", "borrow_ok")},
			want: "borrow_leak",
		},
		"deep borrowers": {
			created: path("connect", "main", "worker", "handle", "borrow_ok", "pool_connect"),
			used:    get("main", "worker", "handle", "borrow_leak"),
			others:  []*stack{get("main", "worker", "handle", "borrow_ok")},
			want:    "borrow_leak",
		},
		"filled in advance": {
			created: path("connect", "main", "pool_fill"),
			used:    get("main", "loop", "on_demand", "borrow_leak"),
			others:  []*stack{get("main", "loop", "on_demand", "borrow_ok")},
			want:    "borrow_leak",
		},
		"filled by another thread": {
			created: path("connect", "filler", "pool_fill"),
			used:    get("worker", "borrow_leak"), others: []*stack{get("worker", "borrow_ok")},
			want: "borrow_leak",
		},
		"with no other use to compare": {
			created: path("connect", "main", "pool_fill"),
			used:    get("main", "borrow_leak"),
			want:    "http_read",
		},
		"a borrower that calls itself": {
			created: path("connect", "main", "pool_fill"),
			used:    get("main", "walk", "walk"), others: []*stack{get("main", "walk"), get("main", "borrow_ok")},
			want: "walk",
		},
		"a dispatcher with two callers": {
			created: path("connect", "main", "pool_fill"),
			used:    get("main", "retry", "dispatch", "borrow_leak"),
			others:  []*stack{get("main", "dispatch", "borrow_ok"), get("main", "dispatch", "borrow_too")},
			want:    "borrow_leak",
		},
		"used by whoever called the creator": {
			created: path("connect", "main", "fetch", "open_connection"),
			used:    path("recv", "main", "fetch"),
		},
		"older than tracing": {
			created: stackOf(Stack{}),
			used:    get("main", "borrow_leak"), others: []*stack{get("main", "borrow_ok")},
			want: "borrow_leak",
		},
		"never used": {created: path("connect", "main", "fetch"), used: stackOf(Stack{})},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ss := newStacks(nil, nil, nil)
			for _, other := range append(tt.others, tt.used) {
				ss.call(other)
			}
			got := ""
			if frame, ok := ss.borrower(tt.created, tt.used); ok {
				got = tt.used.Frames[frame].Function
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A use of one program tells nothing of the functions of another.
func TestBorrowerOfScope(t *testing.T) {
	of := func(scope uint32, s *stack) *stack {
		s.scope = scope
		return s
	}
	created := of(1, path("connect", "main", "serve", "run", "open_connection"))
	used := of(1, path("recv", "main", "serve", "answer", "read_reply"))
	for name, tt := range map[string]struct {
		other *stack
		want  bool // whether the creator is a borrower itself
	}{
		"of another program": {of(2, path("recv", "main", "run")), false},
		"of the same":        {of(1, path("recv", "main", "run")), true},
	} {
		t.Run(name, func(t *testing.T) {
			ss := newStacks(nil, nil, nil)
			ss.call(tt.other)
			ss.call(used)
			if _, got := ss.borrower(created, used); got != tt.want {
				t.Errorf("borrowed: %v, want %v", got, tt.want)
			}
		})
	}
}

// One program can fill only what is its own, and what is known then stays so.
func TestCallersBound(t *testing.T) {
	ss := newStacks(nil, nil, nil)
	first := path("recv", "main", "run")
	ss.call(first)
	for i := range 3 * maxCalls {
		ss.call(path("recv", "main", fmt.Sprint("f", i), "run"))
	}
	greedy, modest := ss.callers[0], path("recv", "main", "run")
	modest.scope = 1
	ss.call(modest)
	if greedy.calls != maxCalls || len(greedy.of("run")) < maxCalls/4 || len(ss.callers[1].of("run")) != 1 {
		t.Errorf("%d calls are known, %d of run, and %d of the other's; want %d at most, a part of these, and 1",
			greedy.calls, len(greedy.of("run")), len(ss.callers[1].of("run")), maxCalls)
	}
}

// The callers of a scope go when it does.
func TestCallersEnd(t *testing.T) {
	tr := &Tracer{
		stacks: newStacks(nil, nil, nil), scopes: &scopes{},
		processes: map[int]*process{7: {scope: 1}}, past: make(past),
	}
	for scope := range uint32(3) {
		tr.stacks.callers[scope] = &callers{}
	}
	tr.sweepScopes()
	if len(tr.stacks.callers) != 1 || tr.stacks.callers[1] == nil {
		t.Errorf("left: %v, want those of scope 1", tr.stacks.callers)
	}
}

func TestNameGroup(t *testing.T) {
	for name, want := range map[string]string{
		"":                "",
		"Analytics":       "Analytics",
		"pool-1-thread-":  "pool-N-thread-",
		"pool-10-thread-": "pool-N-thread-N",
		"worker/12:3":     "worker/N:N",
		"2024":            "N",
		"naïve-7é":        "naïve-Né",
	} {
		if got := NameGroup(name); got != want {
			t.Errorf("NameGroup(%q) is %q, want %q", name, got, want)
		}
	}
}
