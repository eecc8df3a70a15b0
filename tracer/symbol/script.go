package symbol

import (
	"strconv"
	"strings"
)

// scriptFrame takes V8's name for a function in a perf map apart:
// "JS:*name path:line:column". The mark after the colon is the compiler that
// made the code, which changes while a program runs; the line is where the
// function begins.
func scriptFrame(name string) (Frame, bool) {
	name, ok := strings.CutPrefix(name, "JS:")
	if !ok {
		return Frame{}, false
	}
	name = strings.TrimLeft(name, "~^*+")
	function, place, ok := cutPlace(name)
	path, rest, ok1 := cutLast(place, ":")
	path, line, ok2 := cutLast(path, ":")
	_, errColumn := strconv.Atoi(rest)
	number, errLine := strconv.Atoi(line)
	if !ok || !ok1 || !ok2 || errColumn != nil || errLine != nil {
		return Frame{Function: name}, true
	}
	if function == "" {
		function = "(anonymous)"
	}
	return Frame{Function: function, File: path, Line: number}, true
}

// cutPlace cuts a function's name from its place. Both may hold spaces; where a
// path or URL begins is the better guess.
func cutPlace(name string) (function, place string, found bool) {
	for _, start := range []string{" /", " node:", " file://"} {
		if i := strings.Index(name, start); i >= 0 {
			return name[:i], name[i+1:], true
		}
	}
	return cutLast(name, " ")
}

func cutLast(s, separator string) (before, after string, found bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}
