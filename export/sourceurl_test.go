package export

import (
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

func TestSourceURL(t *testing.T) {
	const web = "https://git.example/app/blob/v1/{file}#L{line}"
	tests := []struct{ template, file, want string }{
		{"", "/build/app/main.c", ""},
		{web, "/build/app/main.c", "https://git.example/app/blob/v1/build/app/main.c#L7"},
		{web, "src/main.c", "https://git.example/app/blob/v1/src/main.c#L7"},
		{web, "", ""},
		{web, "/", ""},
		{"/build/app=" + web, "/build/app/src/main.c", "https://git.example/app/blob/v1/src/main.c#L7"},
		{"/build/app/=" + web, "/build/app/src/main.c", "https://git.example/app/blob/v1/src/main.c#L7"},
		{"/build/app=" + web, "/build/application/main.c", ""},
		{"/build/app=" + web, "/build/app", ""},
		{"/build/app=" + web, "/usr/include/x.h", ""},
		{"/build/app=" + web, "/build/app/../../etc/passwd", ""},
		{"/=" + web, "/main.c", "https://git.example/app/blob/v1/main.c#L7"},
		{web, "../../other/repo", ""},
		{web, "a/../../../other", ""},
		{web, "/a b/c?d#e&f=g%2e+h\"'<>\n\xff.c", "https://git.example/app/blob/v1/a%20b/c%3Fd%23e%26f%3Dg%252e%2Bh%22%27%3C%3E%0A%FF.c#L7"},
		{web, "/{line}/{file}", "https://git.example/app/blob/v1/%7Bline%7D/%7Bfile%7D#L7"},
		{web, "/" + strings.Repeat("x", 64<<10), ""},
		{"vscode://file/{file}:{line}", "/build/main.c", "vscode://file/build/main.c:7"},
		{"file:///{file}", "/build/main.c", "file:///build/main.c"},
		{"/build/v=2/app=" + web, "/build/v=2/app/main.c", "https://git.example/app/blob/v1/main.c#L7"},
		{".=" + web, "src/main.c", "https://git.example/app/blob/v1/src/main.c#L7"},
		{".=" + web, "./main.c", "https://git.example/app/blob/v1/main.c#L7"},
		{".=" + web, "../main.c", ""},
		{".=" + web, "/build/main.c", ""},
		{"https://x.example?f={file}", "/.evil.example/main.c", "https://x.example?f=.evil.example/main.c"},
		{"https://x.example/?f={file}&n={line}", "/a&n=9/b", "https://x.example/?f=a%26n%3D9/b&n=7"},
		{"https://x.example/?u=https://y.example/{file}", "/b", "https://x.example/?u=https://y.example/b"},
	}
	for _, tt := range tests {
		u, err := ParseSourceURL(tt.template)
		if err != nil {
			t.Errorf("%s: %v", tt.template, err)
		} else if got := u.Of(symbol.Frame{File: tt.file, Line: 7}); got != tt.want {
			t.Errorf("%s of %.40q: %q, want %q", tt.template, tt.file, got, tt.want)
		}
	}
	u, _ := ParseSourceURL(web)
	if got := u.Of(symbol.Frame{File: "/main.c"}); got != "" {
		t.Errorf("a frame without a line is linked: %s", got)
	}
}

func TestSourceURLRefused(t *testing.T) {
	for template, want := range map[string]string{
		"git.example/{file}":               "expected a URL such as",
		"/build=":                          "expected a URL such as",
		"://{file}":                        "expected a URL such as",
		"1a://{file}":                      "expected a URL such as",
		"javascript:alert('{file}')":       "expected a URL such as",
		"javascript://%0aalert(1)//{file}": "not where source can be",
		"JavaScript://%0aalert(1)//{file}": "not where source can be",
		"/b=data://text/html,{file}":       "not where source can be",
		"vbscript://x{file}":               "not where source can be",
		" javascript://x{file}":            "expected a URL such as",
		"https://git.example/app#L{line}":  "{file} is missing",
		"{file}://x":                       "expected a URL such as",
		"https://git.example{file}":        "must not choose the host",
		"https://{file}":                   "must not choose the host",
		"HTTPS:///{file}":                  "must not choose the host",
		"https://git.example{file}/{file}": "must not choose the host",
		"https://git{line}.example/{file}": "must not choose the host",
		"/b=https://x:{file}":              "must not choose the host",
		"=https://git.example/{file}":      "expected a directory before the =",
	} {
		if _, err := ParseSourceURL(template); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", template, err, want)
		}
	}
}
