package tests

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is the schema of JSON reports.
var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	return jsonschema.NewCompiler().Compile("../export/report.schema.json")
})

func readReport(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "report FILE")
	schema, err := schema()
	ts.Check(err)
	text := ts.ReadFile(args[0])
	report, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		ts.Fatalf("not JSON: %v\n%s", err, text)
	}
	if err := schema.Validate(report); err != nil {
		ts.Fatalf("not as the schema says: %v\n%s", err, text)
	}
	of(ts).report = report
}

// field follows a path like sites.0.kind.
func field(value any, path string) (any, error) {
	values, err := fields(value, path)
	if err != nil {
		return nil, err
	}
	return values[0], nil
}

// fields follows a path in which * stands for each element of a list. There is
// at least one value when there is no error.
func fields(value any, path string) ([]any, error) {
	if path == "" {
		return []any{value}, nil
	}
	name, rest, _ := strings.Cut(path, ".")
	children, err := elements(value, name)
	var out []any
	for _, child := range children {
		found, wrong := fields(child, rest)
		out, err = append(out, found...), wrong
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// elements is what a part of a path names.
func elements(value any, name string) ([]any, error) {
	switch node := value.(type) {
	case map[string]any:
		if found, ok := node[name]; ok {
			return []any{found}, nil
		}
	case []any:
		i, err := strconv.Atoi(name)
		switch {
		case name == "*" && len(node) > 0:
			return node, nil
		case err == nil && i >= 0 && i < len(node):
			return node[i : i+1], nil
		}
	}
	return nil, fmt.Errorf("no %s in %v", name, value)
}

func hasField(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "has PATH...")
	for _, path := range args {
		_, err := field(of(ts).report, path)
		ts.Check(err)
	}
}

func hasSite(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: site KIND FUNCTION KEY=VALUE...")
	}
	sites, err := field(of(ts).report, "sites")
	ts.Check(err)
	var why []string
	for _, site := range sites.([]any) {
		if err := matchSite(site, args); err != nil {
			why = append(why, err.Error())
			continue
		}
		if neg {
			ts.Fatalf("there is such a site: %s", indent(site))
		}
		return
	}
	if !neg {
		ts.Fatalf("no such site:\n%s\nin %s", strings.Join(why, "\n"), indent(sites))
	}
}

// condition is a path, a comparison and a value.
var condition = regexp.MustCompile(`^([^=<>~]+)(=|>=|<=|~)(.*)$`)

// matchSite says what of a site is not as wanted.
func matchSite(site any, args []string) error {
	for _, want := range append([]string{"kind=" + args[0], "site.function=" + args[1]}, args[2:]...) {
		parts := condition.FindStringSubmatch(want)
		switch {
		case parts == nil:
			return fmt.Errorf("%s: want a path, one of = >= <= ~, and a value", want)
		case parts[1] == "call":
			if err := matchLine(site, parts[3]); err != nil {
				return err
			}
			continue
		}
		got, err := fields(site, parts[1])
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(got, func(value any) bool { return holds(value, parts[2], parts[3]) }) {
			return fmt.Errorf("%v is not as in %s", got, want)
		}
	}
	return nil
}

// holds compares numbers by size, and all else as text.
func holds(got any, comparison, want string) bool {
	text := fmt.Sprint(got)
	switch comparison {
	case "=":
		return text == want
	case "~":
		return regexp.MustCompile(want).MatchString(text)
	}
	number, err := strconv.ParseFloat(text, 64)
	bound, wrong := strconv.ParseFloat(want, 64)
	return err == nil && wrong == nil && (number == bound || (comparison == ">=") == (number > bound))
}

// matchLine compares with the source line that a site names.
func matchLine(site any, call string) error {
	file, err := field(site, "site.file")
	if err != nil {
		return err
	}
	line, err := field(site, "site.line")
	if err != nil {
		return err
	}
	source, err := os.ReadFile(fmt.Sprint(file))
	if err != nil {
		return err
	}
	lines := strings.Split(string(source), "\n")
	number, err := strconv.Atoi(fmt.Sprint(line))
	if err != nil || number < 1 || number > len(lines) || !strings.Contains(lines[number-1], call) {
		return fmt.Errorf("%v:%v is not where %s is called", file, line, call)
	}
	return nil
}

func indent(value any) string {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}
