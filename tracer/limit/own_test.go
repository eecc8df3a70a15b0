package limit

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

func TestParseOwn(t *testing.T) {
	tests := map[string]struct {
		values []string
		want   Own
		err    string
	}{
		"none":    {nil, Own{}, ""},
		"one":     {[]string{"close-wait=1024"}, Own{tracer.CloseWait: 1024}, ""},
		"several": {[]string{"zombie=1", "unjoined-thread=20"}, Own{tracer.Zombie: 1, tracer.UnjoinedThread: 20}, ""},
		"no number": {[]string{"zombie"}, nil,
			`--limit "zombie": expected KIND=NUMBER, such as close-wait=1024`},
		"empty": {[]string{""}, nil,
			`--limit "": expected KIND=NUMBER, such as close-wait=1024`},
		"unknown kind": {[]string{"socket=5"}, nil,
			`--limit "socket=5": no kind "socket"; the kinds are zombie, thread, unjoined-thread, close-wait, goroutine`},
		"empty number": {[]string{"zombie="}, nil,
			`--limit "zombie=": expected a whole number from 1 on after zombie=`},
		"zero":     {[]string{"zombie=0"}, nil, `--limit "zombie=0": expected a whole number from 1 on after zombie=`},
		"negative": {[]string{"zombie=-1"}, nil, `--limit "zombie=-1": expected a whole number from 1 on after zombie=`},
		"fraction": {[]string{"zombie=1.5"}, nil, `--limit "zombie=1.5": expected a whole number from 1 on after zombie=`},
		"too many": {[]string{"zombie=4611686018427387904"}, nil,
			`--limit "zombie=4611686018427387904": expected a whole number from 1 on after zombie=`},
		"hostile": {[]string{"\x1b[2J=1"}, nil,
			`--limit "\x1b[2J=1": no kind "\x1b[2J"; the kinds are zombie, thread, unjoined-thread, close-wait, goroutine`},
		"twice": {[]string{"zombie=1", "zombie=2"}, nil,
			`--limit "zombie=2": zombie was given a limit of 1 before`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseOwn(test.values)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(test.want, got) + cmp.Diff(test.err, text); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOwnLimit(t *testing.T) {
	own := Own{tracer.CloseWait: 1024}
	got, ok := own.Limit(tracer.CloseWait, 312)
	want := Limit{"--limit close-wait=1024", Objects, map[tracer.Kind]uint64{tracer.CloseWait: 1}, 312, 1024, true}
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%v\n%s", ok, diff)
	}
	if got, ok := own.Limit(tracer.Zombie, 312); ok {
		t.Errorf("got %+v", got)
	}
}
