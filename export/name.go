package export

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// place shows a frame on one line: function (file:line), and what is known of
// a frame without a name. All of it is escaped.
func place(f symbol.Frame) string {
	function, location := placeParts(f, f.File)
	if location == "" {
		return function
	}
	return function + " (" + location + ")"
}

// Title names a site on one line, escaped and of so many columns at most: the
// function and line to look at, or what else does not change. What the objects are
// called is left out: they can be renamed at any time.
func Title(s verdict.Site, width int) string {
	return identity(s).title(width)
}

// identity is a site with no more than what names it.
func identity(s verdict.Site) Site {
	site := Site{Kind: s.Kind, Group: s.Group, SiteFrame: s.Stack.Site, Stack: s.Stack.Frames}
	if i := site.SiteFrame; i >= len(site.Stack) || i < 0 {
		site.SiteFrame = -1
	}
	if len(s.Outstanding) > 0 {
		site.Samples = []Sample{{BeforeTracing: s.Outstanding[0].BeforeTracing}}
	}
	return site
}

func placeParts(f symbol.Frame, file string) (function, location string) {
	function = Escape(frameName(f))
	switch {
	case f.Function == "":
		return function, ""
	case f.File == "" || f.Line == 0:
		return function, Escape(moduleName(f))
	default:
		return function, Escape(fmt.Sprintf("%s:%d", file, f.Line))
	}
}

// frameName names a frame without its line. It is not escaped.
func frameName(f symbol.Frame) string {
	if f.Function != "" {
		return f.Function
	}
	return fmt.Sprintf("%s+0x%x", moduleName(f), f.Address)
}

func moduleName(f symbol.Frame) string {
	if f.Module == "" {
		return "[unknown]"
	}
	return path.Base(f.Module)
}

// placeIn is place within a number of columns: of the file only the name, and
// of the function what fits beside it.
func placeIn(f symbol.Frame, width int) string {
	function, location := placeParts(f, path.Base(f.File))
	if location == "" {
		return shorten(function, width)
	}
	const least = 12 // columns of either that still say something
	function = shorten(function, max(least, width-utf8.RuneCountInString(location)-3))
	room := width - utf8.RuneCountInString(function) - 3
	return function + " (" + tail(location, max(least, room)) + ")"
}

// shorten makes a function name fit: first without arguments and template
// parameters, then without its outer scopes. The last part names the function,
// so it is what stays.
func shorten(name string, width int) string {
	if utf8.RuneCountInString(name) <= width {
		return name
	}
	name = collapse(name)
	for wide := utf8.RuneCountInString(name); wide > width; {
		inner, ok := cutScope(name)
		if !ok {
			return tail(name, width)
		}
		// Counting anew would take the square of a name's length.
		wide -= utf8.RuneCountInString(name[:len(name)-len(inner)])
		name = inner
	}
	return name
}

// cutScope drops the outermost scope of a collapsed name.
func cutScope(name string) (inner string, ok bool) {
	depth := 0
	for i := range len(name) - 2 {
		switch name[i] {
		case '<', '(':
			depth++
		case '>', ')':
			depth--
		case ':':
			if depth <= 0 && name[i+1] == ':' {
				return name[i+2:], true
			}
		}
	}
	return "", false
}

// head keeps the first columns of s.
func head(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:max(0, width-3)]) + "..."
}

// tail keeps the last columns of s.
func tail(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if n <= width {
		return s
	}
	runes := []rune(s)
	return "..." + string(runes[n-max(0, width-3):])
}

// collapse empties the parameter lists and template arguments of a C++ or Rust
// name. Go receivers and anonymous namespaces are part of the name, and so is
// a leading <T as Trait>. A name it does not understand is left alone.
func collapse(name string) string {
	var b strings.Builder
	var open []byte
	for i := 0; i < len(name); i++ {
		c := name[i]
		switch {
		case isOperator(name[:i], c):
			if len(open) == 0 {
				b.WriteByte(c)
			}
		case c == '<' && i > 0, c == '(' && (len(open) > 0 || !keepsParens(name[i+1:])):
			if len(open) == 0 {
				b.WriteByte(c)
			}
			open = append(open, c)
		case len(open) > 0 && closes(open[len(open)-1], c):
			open = open[:len(open)-1]
			if len(open) == 0 {
				b.WriteByte(c)
			}
		case len(open) == 0:
			b.WriteByte(c)
		}
	}
	if len(open) > 0 {
		return name
	}
	return b.String()
}

func closes(open, c byte) bool { return open == '<' && c == '>' || open == '(' && c == ')' }

// isOperator tells whether c belongs to an operator's name or to an arrow.
func isOperator(before string, c byte) bool {
	if c == '>' && strings.HasSuffix(before, "-") {
		return true
	}
	for _, op := range []string{"operator", "operator<", "operator>", "operator-", "operator("} {
		if strings.HasSuffix(before, op) {
			return strings.IndexByte("<>-()=", c) >= 0
		}
	}
	return false
}

func keepsParens(inside string) bool {
	return strings.HasPrefix(inside, "*") || strings.HasPrefix(inside, "anonymous namespace)")
}
