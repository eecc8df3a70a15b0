package tests

import (
	"encoding/json"
	"fmt"
	"os"
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
	for name := range strings.SplitSeq(path, ".") {
		switch node := value.(type) {
		case map[string]any:
			found, ok := node[name]
			if !ok {
				return nil, fmt.Errorf("%s: no %s in %v", path, name, node)
			}
			value = found
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(node) {
				return nil, fmt.Errorf("%s: no %s in a list of %d", path, name, len(node))
			}
			value = node[i]
		default:
			return nil, fmt.Errorf("%s: %v has no %s", path, node, name)
		}
	}
	return value, nil
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

// matchSite says what of a site is not as wanted.
func matchSite(site any, args []string) error {
	wanted := append([]string{"kind=" + args[0], "site.function=" + args[1]}, args[2:]...)
	for _, want := range wanted {
		path, value, _ := strings.Cut(want, "=")
		if path == "call" {
			if err := matchLine(site, value); err != nil {
				return err
			}
			continue
		}
		got, err := field(site, path)
		if err != nil {
			return err
		}
		if fmt.Sprint(got) != value {
			return fmt.Errorf("%s is %v, not %s", path, got, value)
		}
	}
	return nil
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
