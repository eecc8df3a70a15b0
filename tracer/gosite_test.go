package tracer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// TestGoSite checks which frame of a goroutine's origin a user would fix, and that two
// go statements of one function are two sites.
func TestGoSite(t *testing.T) {
	frame := func(function, file string) symbol.Frame {
		return symbol.Frame{Function: function, File: file, Line: 7, Module: "/srv/app"}
	}
	own := frame("main.restart", "/src/app/main.go")
	await, retry := frame("main.await", "/src/app/main.go"), frame("main.retry", "/src/app/main.go")
	handler := frame("main.handle", "/src/app/http.go")
	serve, conn := frame("net/http.(*Server).Serve", "/usr/local/go/src/net/http/server.go"), frame("net/http.(*conn).serve", "/usr/local/go/src/net/http/server.go")
	for _, test := range []struct {
		name           string
		began, creator []symbol.Frame
		want           string
	}{
		{"the application's go statement", []symbol.Frame{await}, []symbol.Frame{own}, own.Function},
		{"a library's, which began at the library's", []symbol.Frame{conn}, []symbol.Frame{serve}, serve.Function},
		{"a library's, which came to the application's", []symbol.Frame{handler, conn}, []symbol.Frame{serve}, handler.Function},
		{"the application's, inlined", []symbol.Frame{await}, []symbol.Frame{own, handler}, own.Function},
	} {
		s := newGoSite(test.began, test.creator)
		if got := s.stack.Frames[s.stack.Site].Function; got != test.want {
			t.Errorf("%s: %s, not %s", test.name, got, test.want)
		}
	}
	a, b := newGoSite([]symbol.Frame{await}, []symbol.Frame{own}), newGoSite([]symbol.Frame{retry}, []symbol.Frame{own})
	if a.fingerprint == b.fingerprint {
		t.Error("two functions that were started have one fingerprint")
	}
	if empty := newGoSite(nil, nil); empty.stack.Site != -1 {
		t.Errorf("the site without frames is %d", empty.stack.Site)
	}
}

func TestWrapper(t *testing.T) {
	for name, want := range map[string]bool{
		"main.restart.gowrap1": true, "main.(*T).run.gowrap12": true,
		"main.restart": false, "main.restart.gowrapped": false, "main.restart.func1": false,
	} {
		if isWrapper(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}

// TestGoSiteWaiting has goroutines begin to wait at a site, and go on: the lists that
// snapshots have stay as they are, and one that has not changed is not copied.
func TestGoSiteWaiting(t *testing.T) {
	at := func(second, id int) Object { return Object{ID: id, Since: time.Unix(int64(second), 0)} }
	s := new(goSite)
	look := func(entered []Object, left ...uint64) []Object {
		s.entered = entered
		for _, id := range left {
			s.leave(id, false)
		}
		s.settle()
		return s.waiting
	}
	first := look([]Object{at(1, 9), at(1, 3)})
	same := look(nil)
	second := look([]Object{at(2, 7), at(2, 4)}, 3, 12)
	for _, test := range []struct{ got, want []Object }{
		{first, []Object{at(1, 3), at(1, 9)}},
		{second, []Object{at(1, 9), at(2, 4), at(2, 7)}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	if &first[0] != &same[0] {
		t.Error("a list was copied that had not changed")
	}
	if s.released != 2 {
		t.Errorf("%d went on, not 2", s.released)
	}
}

// TestGoroutineRest bounds what reading costs: first looks are dear, but for once.
func TestGoroutineRest(t *testing.T) {
	for _, test := range []struct{ first, others, want time.Duration }{
		{0, 0, 0},
		{0, time.Millisecond, 200 * time.Millisecond},
		{0, time.Second, 200 * time.Second},
		{time.Millisecond, 0, 200 * time.Millisecond},
		{time.Second, 0, 10 * time.Second},
		{time.Second, time.Millisecond, 10 * time.Second},
		{time.Second, time.Second, 200 * time.Second},
	} {
		if got := goroutineRest(test.first, test.others); got != test.want {
			t.Errorf("after %s and %s: %s, not %s", test.first, test.others, got, test.want)
		}
	}
}
