package symbol

import "testing"

func TestScriptFrame(t *testing.T) {
	tests := []struct {
		name string
		want Frame
		ok   bool
	}{
		{"JS:~internalConnect node:net:1038:25", Frame{Function: "internalConnect", File: "node:net", Line: 1038}, true},
		{"JS:*refreshCache /srv/my app/leak.js:11:25", Frame{Function: "refreshCache", File: "/srv/my app/leak.js", Line: 11}, true},
		{"JS:*get value /srv/leak.js:11:25", Frame{Function: "get value", File: "/srv/leak.js", Line: 11}, true},
		{"JS:^ node:net:1326:73", Frame{Function: "(anonymous)", File: "node:net", Line: 1326}, true},
		{"JS:+run file:///srv/a.mjs:1:2", Frame{Function: "run", File: "file:///srv/a.mjs", Line: 1}, true},
		{"JS:~eval", Frame{Function: "eval"}, true},
		{"JS:", Frame{}, true},
		{"Builtin:ArrayPush", Frame{}, false},
	}
	for _, test := range tests {
		got, ok := scriptFrame(test.name)
		if got != test.want || ok != test.ok {
			t.Errorf("%q: got %+v, %t, want %+v, %t", test.name, got, ok, test.want, test.ok)
		}
	}
}
