package symbol

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/ianlancetaylor/demangle"
)

// maxName is the length that function names are cut to. C++ templates can
// have names of many KiB that differ from others only near the end, where the
// name is no help to anyone.
const maxName = 512

// readable turns a linkage name into what the source calls the function:
// demangled, without parameters, versions, hashes and compilers' suffixes.
func readable(name string) string {
	if base, _, ok := strings.Cut(name, "@"); ok && base != "" {
		name = base
	}
	if !strings.HasPrefix(name, "_Z") && !strings.HasPrefix(name, "_R") {
		return capName(dropClone(name))
	}
	// The demangler's limit is a power of two.
	s, err := demangle.ToString(dropClone(name), demangle.NoParams, demangle.NoEnclosingParams, demangle.MaxLength(9))
	if err != nil {
		return capName(name)
	}
	return capName(dropClone(s))
}

// capName cuts a name to maxName bytes.
func capName(name string) string {
	if len(name) <= maxName {
		return name
	}
	cut := maxName - len("...")
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "..."
}

// dropClone removes what compilers append to the name of a part or a
// specialised copy of a function; which copy it is changes between builds.
func dropClone(name string) string {
	// A leading dot is no suffix; nor is anything in Go's dotted names.
	for i := strings.IndexByte(name, '.'); i > 0; {
		if !clone(name[i+1:]) {
			next := strings.IndexByte(name[i+1:], '.')
			if next < 0 {
				return name
			}
			i += 1 + next
			continue
		}
		return name[:i]
	}
	return name
}

// clone says whether s starts with a compiler's suffix.
func clone(s string) bool {
	word, rest, _ := strings.Cut(s, ".")
	switch word {
	case "cold", "constprop", "isra", "part", "lto_priv", "llvm", "localalias", "resumed", "warm":
		return rest == "" || rest[0] >= '0' && rest[0] <= '9' || clone(rest)
	}
	return false
}

// dropHash removes the hash that rustc appends to legacy names.
func dropHash(name string) string {
	i := strings.LastIndex(name, "::h")
	if i > 0 && regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(name[i+3:]) {
		return name[:i]
	}
	return name
}
