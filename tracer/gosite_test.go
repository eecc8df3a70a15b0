package tracer

import (
	"testing"

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
