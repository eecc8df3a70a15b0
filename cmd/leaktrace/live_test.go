package main

import (
	"os"
	"strings"
	"testing"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// What is kept at the live view has the links that --source-url asks for.
func TestKeepReport(t *testing.T) {
	t.Chdir(t.TempDir())
	report := &export.Report{Target: export.Process{PID: 7}, Sites: []export.Site{{
		Kind: tracer.Thread, Outstanding: 1, Stack: []symbol.Frame{{Function: "grow", File: "/srv/pool.c", Line: 40}},
	}}}
	pages := make([]string, 2)
	for i, url := range []string{"", "https://git.example/{file}"} {
		source, err := export.ParseSourceURL(url)
		if err != nil {
			t.Fatal(err)
		}
		path, err := keepReport(report, source)
		if err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(path, ".html") {
			t.Errorf("%s is no page", path)
		}
		pages[i] = string(page)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if pages[0] == pages[1] {
		t.Error("--source-url makes no difference")
	}
}
