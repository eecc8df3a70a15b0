package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file keeps what is in it until something is written, by whatever way.
func TestOpenOutput(t *testing.T) {
	for name, tt := range map[string]struct{ before, written, want string }{
		"nothing written": {"an earlier report", "", "an earlier report"},
		"shorter":         {"an earlier report", "new", "new"},
		"new":             {"", "new", "new"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "report")
			if tt.before != "" {
				if err := os.WriteFile(path, []byte(tt.before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, err := openOutput(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, piece := range tt.written {
				if _, err := io.WriteString(out, string(piece)); err != nil {
					t.Fatal(err)
				}
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tt.want {
				t.Errorf("%q is left (%v), want %q", got, err, tt.want)
			}
		})
	}
	testNone(t)
}

// What nobody can read goes to no terminal, and no file is used for two things.
func TestOutputs(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	t.Chdir(t.TempDir())
	ok := []byte(`{"version": 1, "sites": []}`)
	for _, name := range []string{"in.json", "old.json"} {
		if err := os.WriteFile(name, ok, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link("in.json", "link.json"); err != nil {
		t.Fatal(err)
	}
	const forFile, one = " is not for a terminal: give --output FILE\n", " is one file, and it cannot be written and be something else too\n"
	for line, want := range map[string]string{
		"report --format html in.json":            "leaktrace: --format html" + forFile,
		"report --format ltz in.json":             "leaktrace: --format ltz" + forFile,
		"report --format pprof in.json":           "leaktrace: --format pprof" + forFile,
		"diff --format html old.json in.json":     "leaktrace: --format html" + forFile,
		"run --format html -- true":               "leaktrace: --format html" + forFile,
		"run --output= -- true":                   "leaktrace: --output needs the name of a file\n",
		"record --output= -- true":                "leaktrace: --output needs the name of a file\n",
		"report -o in.json in.json":               "leaktrace: in.json" + one,
		"report -o link.json in.json":             "leaktrace: in.json" + one,
		"report --junit link.json in.json":        "leaktrace: in.json" + one,
		"report -o new --junit ./new in.json":     "leaktrace: ./new" + one,
		"run -o new --junit ./new -- true":        "leaktrace: ./new" + one,
		"diff -o old.json old.json in.json":       "leaktrace: old.json" + one,
		"diff -o link.json old.json in.json":      "leaktrace: in.json" + one,
		"report --source-url https://a/{file} in": "leaktrace: --source-url is for --format html\n",
	} {
		var stderr bytes.Buffer
		status := start(append([]string{"leaktrace"}, strings.Fields(line)...), env{stdout: terminal, stderr: &stderr})
		if status != exitUsage || stderr.String() != want {
			t.Errorf("leaktrace %s: status %d: %s", line, status, &stderr)
		}
	}
	if _, err := os.Stat("new"); err == nil {
		t.Error("a file is left of what was refused")
	}
	status := start([]string{"leaktrace", "diff", "--format", "html", "-o", "page.html", "old.json", "in.json"}, env{stdout: terminal, stderr: os.Stderr})
	if page, err := os.ReadFile("page.html"); status != 0 || err != nil || !bytes.Contains(page, []byte("<html")) {
		t.Errorf("status %d, error %v: no page", status, err)
	}
	if after, err := os.ReadFile("in.json"); err != nil || !bytes.Equal(after, ok) {
		t.Errorf("the report that was read is %q now (%v)", after, err)
	}
}

func testNone(t *testing.T) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "none")
	out, err := openOutput(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an empty file is left")
	}
}
