package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v3"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// The documented example states every setting there is, with its default.
func TestExampleConfig(t *testing.T) {
	const path = "../../deploy/leaktrace.yml"
	got, err := readConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(node.DefaultSettings(), got, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var stated map[string]any
	if err := yaml.Unmarshal(raw, &stated); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fields(reflect.TypeFor[config]()), keys(stated)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(fields(reflect.TypeFor[filters]()), keys(stated["filters"].(map[string]any))); diff != "" {
		t.Error(diff)
	}
}

func fields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("yaml"))
	}
	slices.Sort(names)
	return names
}

func keys(m map[string]any) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// What the example shows in its comments is valid too.
func TestExampleConfigComments(t *testing.T) {
	raw, err := os.ReadFile("../../deploy/leaktrace.yml")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for line := range strings.Lines(string(raw)) {
		indent, text, _ := strings.Cut(line, "#")
		switch {
		case strings.HasPrefix(text, "   "):
			shown = append(shown, indent+strings.TrimPrefix(text, "  ")) // an example: one less deep
		case !strings.Contains(line, "#"):
			shown = append(shown, strings.NewReplacer(" []", "", " {}", "").Replace(line))
		}
	}
	// Examples stand before the key that they are of.
	var out strings.Builder
	var pending []string
	for _, line := range shown {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if key := strings.TrimSpace(line); strings.HasSuffix(key, ":") && key != "filters:" {
			out.WriteString(line + strings.Join(pending, ""))
			pending = nil
			continue
		}
		if strings.HasPrefix(line, " ") {
			pending = append(pending, line)
			continue
		}
		out.WriteString(line)
	}
	got, err := parseConfig([]byte(out.String()))
	if err != nil {
		t.Fatalf("%v in\n%s", err, out.String())
	}
	want := node.DefaultSettings()
	want.Filter.Cgroups = []string{"/kubepods*"}
	want.Suppressions = []export.Suppression{{Kind: "thread", Function: "Pool::grow*", Reason: "one thread per shard by design (issue 123)"}}
	want.Limits = limit.Own{tracer.CloseWait: 1024}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(export.Suppression{}, "Line")); diff != "" {
		t.Errorf("%s of\n%s", diff, out.String())
	}
}

func TestParseConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want func(*node.Settings)
		err  string
	}{
		"empty":    {"", func(*node.Settings) {}, ""},
		"comments": {"# nothing\n", func(*node.Settings) {}, ""},
		"all": {
			"interval: 30s\nmin_age: 2m\ntop_sites: 0\nfilters: {cgroups: [/a*], containers: [b], namespaces: [c, d]}\n" +
				"suppressions:\n- {kind: '*', function: 'a b', reason: x}\nlimits: {thread: 9, zombie: 0100}\n",
			func(s *node.Settings) {
				s.Interval, s.MinAge, s.TopSites = 30*time.Second, 2*time.Minute, 0
				s.Filter = node.Filter{Cgroups: []string{"/a*"}, Containers: []string{"b"}, Namespaces: []string{"c", "d"}}
				s.Suppressions = []export.Suppression{{Line: 6, Kind: "*", Function: "a b", Reason: "x"}}
				s.Limits = limit.Own{tracer.Thread: 9, tracer.Zombie: 100}
			}, "",
		},
		"unknown field":      {"interval: 1s\nintervall: 10s\n", nil, "line 2: field intervall not found"},
		"unknown filter":     {"filters:\n  pods: [a]\n", nil, "line 2: field pods not found"},
		"two mistakes":       {"a: 1\nb: 2\n", nil, "line 1: field a not found; line 2: field b not found"},
		"twice":              {"top_sites: 1\ntop_sites: 2\n", nil, `line 2: mapping key "top_sites" already defined at line 1`},
		"not YAML":           {"interval: [\n", nil, `line 1: did not find expected node content; expected YAML: lines such as "name: value" (deploy/leaktrace.yml is an example)`},
		"not a map":          {"- 1\n", nil, `line 1: cannot unmarshal !!seq where lines such as "name: value" were expected (deploy/leaktrace.yml is an example)`},
		"a program":          {"int main(void)\n{\n", nil, "line 1: cannot unmarshal !!str `int mai...` where lines such as \"name: value\" were expected"},
		"filters in a list":  {"filters: [a]\n", nil, `line 1: cannot unmarshal !!seq where lines such as "name: value" were expected`},
		"limits of nothing":  {"limits: 3\n", nil, "line 1: cannot unmarshal !!int `3` where lines such as \"name: value\" were expected"},
		"no list":            {"filters: {cgroups: {a: b}}\n", nil, "line 1: cannot unmarshal !!map where a list was expected"},
		"no number":          {"top_sites: many\n", nil, "line 1: cannot unmarshal !!str `many` where a whole number was expected"},
		"no duration":        {"interval: soon\n", nil, "line 1: cannot unmarshal !!str `soon` where a time such as 10s was expected"},
		"no unit":            {"interval: 10\n", nil, "line 1: cannot unmarshal !!int `10` where a time such as 10s was expected"},
		"long interval":      {"interval: 61s\n", nil, "interval 1m1s: expected 1s to 1m0s"},
		"short age":          {"min_age: 10ms\n", nil, "min_age 10ms: expected 1s to 24h0m0s"},
		"many sites":         {"top_sites: 1001\n", nil, "top_sites 1001: expected 0 to 1000"},
		"no sites":           {"top_sites: -1\n", nil, "top_sites -1"},
		"suppressed nothing": {"suppressions:\n- kind: thread\n- {}\n", nil, "line 2: suppression: no function"},
		"no kind":            {"suppressions:\n- {function: a, reason: b}\n", nil, `line 2: suppression: kind "": expected \* or one of`},
		"no reason":          {"suppressions:\n\n- {kind: thread, function: a, reason: ' '}\n", nil, "line 3: suppression: no reason: say why"},
		"limit of no kind":   {"limits: {fd: 1}\n", nil, `limits: "fd=1": no kind "fd"`},
		"limit of no number": {"limits: {thread: many}\n", nil, `limits: "thread=many": expected a whole number`},
		"limit of a list":    {"limits: {thread: [1]}\n", nil, "expected a whole number"},
		"two documents":      {"interval: 10s\n---\ninterval: 20s\n", nil, "more than one YAML document"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseConfig([]byte(tt.text))
			if tt.want == nil {
				checkError(t, err, tt.err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := node.DefaultSettings()
			tt.want(&want)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// checkError wants an error of one line that has a text in it.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error, want %q", want)
	case !strings.Contains(err.Error(), strings.ReplaceAll(want, `\*`, "*")) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "main."):
		t.Errorf("error %q, want one line with %q", err, want)
	}
}

func TestReadConfig(t *testing.T) {
	huge := filepath.Join(t.TempDir(), "huge.yml")
	if err := os.WriteFile(huge, []byte(strings.Repeat("#", maxConfig+1)), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := readConfig(huge)
	checkError(t, err, "is larger than 1 MiB")
	_, err = readConfig(t.TempDir())
	checkError(t, err, "is a directory")
	_, err = readConfig("none.yml")
	checkError(t, err, "open none.yml: no such file or directory")
}

// Flags win over the file, each over its list.
func TestFlagsWin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(path, []byte("filters: {cgroups: [/a], namespaces: [b]}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	o := exportOptions{config: path, filter: node.Filter{Containers: []string{"x"}, Namespaces: []string{"y", "z"}}}
	got, err := o.settings()
	if err != nil {
		t.Fatal(err)
	}
	want := node.Filter{Cgroups: []string{"/a"}, Containers: []string{"x"}, Namespaces: []string{"y", "z"}}
	if diff := cmp.Diff(want, got.Filter); diff != "" {
		t.Error(diff)
	}
}
