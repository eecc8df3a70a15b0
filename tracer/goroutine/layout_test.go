package goroutine

import (
	"errors"
	"testing"
)

func TestRelease(t *testing.T) {
	for version, want := range map[string]string{
		"go1.26.8": "1.26", "go1.27": "1.27", "go1.26.8-X:goroutineleakprofile": "1.26", "go1.27rc2": "1.27",
		"": "", "devel": "", "go1": "", "go1.": "1.", "go1.x": "1.",
	} {
		if got := release(version); got != want {
			t.Errorf("%q: %q, not %q", version, got, want)
		}
	}
}

// TestLayout gives a program the version of another release, and of none.
func TestLayout(t *testing.T) {
	program, pages := record(t)
	right, err := Open(program, pages, NewRoom())
	if err != nil {
		t.Fatal(err)
	}
	for version, refused := range map[string]bool{"go1.22.1": true, "go1.23.1": true, "go1.25.1": true, "go1.99": false, "": false} {
		program.Version = version
		r, err := Open(program, pages, NewRoom())
		switch {
		case refused && !errors.Is(err, errLayout):
			t.Errorf("as %q: %v, not %v", version, err, errLayout)
		case !refused && err != nil:
			t.Errorf("as %q: %v", version, err)
		case !refused && r.layout != right.layout:
			t.Errorf("as %q: %+v, not %+v", version, r.layout, right.layout)
		}
	}
}

// TestOld gives a program versions that are not read.
func TestOld(t *testing.T) {
	program, pages := record(t)
	for version, refused := range map[string]bool{"go1.19.8": true, "go1.21.13": true, "go1.26.0": false, "": false} {
		program.Version = version
		if _, err := Open(program, pages, NewRoom()); errors.Is(err, errOld) != refused {
			t.Errorf("as %q: %v", version, err)
		}
	}
}

// TestReasons compares with what programs print: the texts are in every one.
func TestReasons(t *testing.T) {
	program, pages := record(t)
	r, err := Open(program, pages, NewRoom())
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bool)
	for i := range 256 {
		all[r.Reason(uint8(i))] = true
	}
	for _, want := range []string{"", "chan receive", "chan send", "select", "select (no cases)", "chan receive (nil chan)", "IO wait", "sleep"} {
		if !all[want] {
			t.Errorf("no reason %q among %d", want, len(all))
		}
	}
}
