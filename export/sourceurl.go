package export

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// SourceURL makes links to source lines. The zero value makes none.
type SourceURL struct {
	prefix   string
	template string
}

// refusedSchemes run what their URL says.
var refusedSchemes = []string{"javascript", "data", "vbscript"}

// ParseSourceURL reads [PREFIX=]URL, where {file} and {line} in the URL stand for a
// frame's: https://example.com/app/blob/v1.2/{file}#L{line}. With a PREFIX only files
// below that directory are linked, by their path in it; that of "." is for files of a
// relative path. An empty text links nothing.
func ParseSourceURL(text string) (SourceURL, error) {
	if text == "" {
		return SourceURL{}, nil
	}
	u := SourceURL{template: text}
	beforeURL, _, _ := strings.Cut(text, "://")
	switch end := strings.LastIndex(beforeURL, "="); {
	case end == 0:
		return SourceURL{}, fmt.Errorf("%q: expected a directory before the =, or no =", text)
	case end > 0:
		u = SourceURL{path.Clean(text[:end]), text[end+1:]}
	}
	if err := u.check(); err != nil {
		return SourceURL{}, fmt.Errorf("%q: %w", u.template, err)
	}
	return u, nil
}

func (u SourceURL) check() error {
	scheme, rest, ok := strings.Cut(u.template, "://")
	scheme = strings.ToLower(scheme)
	host := rest
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		host = rest[:end]
	}
	switch {
	case !ok || !isScheme(scheme):
		return errors.New("expected a URL such as https://example.com/app/blob/v1.2/{file}#L{line}")
	case slices.Contains(refusedSchemes, scheme):
		return fmt.Errorf("a %s URL is not where source can be", scheme)
	case !strings.Contains(rest, "{file}"):
		return errors.New("{file} is missing")
	// To a browser the host of http:///x is x.
	case strings.Contains(host, "{"), host == "" && strings.HasPrefix(scheme, "http"):
		return errors.New("expected a host and a / before {file} and {line}: the traced program chooses these, and must not choose the host")
	}
	return nil
}

func isScheme(s string) bool {
	for i := range len(s) {
		letter := s[i]|0x20 >= 'a' && s[i]|0x20 <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+.-", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// maxLinked bounds the length of a file's path that is linked, in bytes.
const maxLinked = 1024

// Of is the URL of a frame's line, empty if there is none. The file is the traced
// process's to choose: it can neither leave the directory nor add to the URL.
func (u SourceURL) Of(f symbol.Frame) string {
	if u.template == "" || f.File == "" || len(f.File) > maxLinked || f.Line <= 0 {
		return ""
	}
	file := path.Clean(f.File)
	switch u.prefix {
	case "":
	case ".":
		if path.IsAbs(file) {
			return ""
		}
	default:
		rest, below := strings.CutPrefix(file, strings.TrimSuffix(u.prefix, "/")+"/")
		if !below {
			return ""
		}
		file = rest
	}
	file = strings.TrimPrefix(file, "/")
	if file == "" || file == ".." || strings.HasPrefix(file, "../") {
		return ""
	}
	segments := strings.Split(file, "/")
	for i, s := range segments {
		segments[i] = strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
	}
	return strings.NewReplacer("{file}", strings.Join(segments, "/"), "{line}", strconv.Itoa(f.Line)).Replace(u.template)
}
