package export

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape makes text of the traced process safe to show on a terminal and to
// read as one line: whatever is not printable (control characters, the escapes
// made of them, bidirectional controls, invisible characters, bytes that are
// not UTF-8) becomes \xNN, byte by byte. A backslash is doubled, so that no
// text looks like another one's escape.
func Escape(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case !unicode.IsPrint(r), r == utf8.RuneError && size == 1:
			for i := range size {
				fmt.Fprintf(&b, `\x%02x`, s[i])
			}
		default:
			b.WriteString(s[:size])
		}
		s = s[size:]
	}
	return b.String()
}

// plain tells whether s needs no escape, which is nearly always.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// quote is Escape within quotes, for names that are chosen freely.
func quote(s string) string {
	return `"` + strings.ReplaceAll(Escape(s), `"`, `\"`) + `"`
}
