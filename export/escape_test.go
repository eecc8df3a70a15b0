package export

import (
	"bytes"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":            {"std::vector<int> /a b/c.cc:7 [x]", "std::vector<int> /a b/c.cc:7 [x]"},
		"empty":            {"", ""},
		"other scripts":    {"größe_日本語_é", "größe_日本語_é"},
		"colour":           {"\x1b[31mred\x1b[0m", `\x1b[31mred\x1b[0m`},
		"title":            {"\x1b]0;owned\a", `\x1b]0;owned\x07`},
		"newline, tab, CR": {"a\nb\tc\rd", `a\x0ab\x09c\x0dd`},
		"NUL and DEL":      {"a\x00b\x7f", `a\x00b\x7f`},
		"C1 as UTF-8":      {"\u009b31m", `\xc2\x9b31m`},
		"C1 as a byte":     {"\x9b31m", `\x9b31m`},
		"bidi override":    {"\u202eevil\u202c", `\xe2\x80\xaeevil\xe2\x80\xac`},
		"bidi isolate":     {"\u2066x\u2069", `\xe2\x81\xa6x\xe2\x81\xa9`},
		"zero width":       {"a\u200bb\ufeff", `a\xe2\x80\x8bb\xef\xbb\xbf`},
		"line separator":   {"a\u2028b", `a\xe2\x80\xa8b`},
		"no-break space":   {"a\u00a0b", `a\xc2\xa0b`},
		"invalid UTF-8":    {"a\xff\xc3(", `a\xff\xc3(`},
		"cut-off rune":     {"é\xe2\x80", `é\xe2\x80`},
		"surrogate":        {"\xed\xa0\x80", `\xed\xa0\x80`},
		"real U+FFFD":      {"\ufffd", "\ufffd"},
		"backslash":        {`\x1b`, `\\x1b`},
		"private use":      {"\ue000", `\xee\x80\x80`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Escape(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("\x1b[2J\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) { assertPrintable(t, Escape(s)) })
}

func assertPrintable(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) {
		t.Errorf("%q is not UTF-8", s)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			t.Errorf("%q has %U", s, r)
		}
	}
}

// Every text of the target must pass through Escape on its way to a terminal.
func TestTextIsPrintable(t *testing.T) {
	r := reports()["hostile"]
	r.Target.Comm = "\x1bc"
	r.Lost["\x1b[1m"] = 1
	for _, format := range []string{"text", "folded"} {
		var out bytes.Buffer
		if err := r.Write(&out, format); err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(out.Bytes()) {
			assertPrintable(t, string(bytes.TrimSuffix(line, []byte("\n"))))
		}
	}
}
