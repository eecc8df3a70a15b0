package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// panel is a panel of a dashboard.
type panel struct {
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ Expr, LegendFormat string }
	Panels      []panel
}

// readDashboard returns the panels, rows left out, and the queries of variables.
func readDashboard(t *testing.T) (panels []panel, variables []string) {
	t.Helper()
	var board struct {
		Panels     []panel
		Templating struct {
			List []struct {
				Type  string
				Query string
			}
		}
	}
	must(t, json.Unmarshal(readFile(t, "grafana/leaktrace.json"), &board))
	for _, p := range board.Panels {
		panels = append(panels, p.Panels...)
		if p.Type != "row" {
			panels = append(panels, p)
		}
	}
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			variables = append(variables, v.Query)
		}
	}
	if len(panels) < 20 || len(variables) != 4 {
		t.Fatalf("%d panels and %d variables were read", len(panels), len(variables))
	}
	return panels, variables
}

// testQueries runs all that the dashboard asks.
func testQueries(t *testing.T, prometheus string) {
	panels, variables := readDashboard(t)
	choices := strings.NewReplacer("$node", ".*", "$namespace", ".*", "$container", ".*", "$kind", ".*", "$__rate_interval", "10s")
	asked := func(what, query string) {
		eventually(t, what+": "+query, func() error {
			answer, err := ask(prometheus, query)
			if err == nil && len(answer) == 0 {
				err = fmt.Errorf("the answer is empty")
			}
			return err
		})
	}
	for _, p := range panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s asks nothing", p.Title)
		}
		for _, target := range p.Targets {
			query := choices.Replace(target.Expr)
			if strings.Contains(query, "$") {
				t.Errorf("%s: unknown variable in %s", p.Title, query)
			}
			asked(p.Title, query)
		}
	}
	values := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`)
	for _, query := range variables {
		parts := values.FindStringSubmatch(query)
		if parts == nil {
			t.Errorf("%s is not understood", query)
			continue
		}
		asked("variable", fmt.Sprintf("group by (%s) (%s)", parts[2], parts[1]))
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	panels, _ := readDashboard(t)
	for i, a := range panels {
		for _, b := range panels[:i] {
			x := a.GridPos.X < b.GridPos.X+b.GridPos.W && b.GridPos.X < a.GridPos.X+a.GridPos.W
			y := a.GridPos.Y < b.GridPos.Y+b.GridPos.H && b.GridPos.Y < a.GridPos.Y+a.GridPos.H
			if x && y {
				t.Errorf("%q lies over %q", a.Title, b.Title)
			}
		}
	}
}

// The same unit on two nodes is two, also where only the top ones are shown.
func TestTopPanelsKeepTheNode(t *testing.T) {
	panels, _ := readDashboard(t)
	ranked := 0
	for _, p := range panels {
		for _, target := range p.Targets {
			if !regexp.MustCompile(`\b(top|bottom)k\(`).MatchString(target.Expr) {
				continue
			}
			ranked++
			if !strings.Contains(target.Expr, "by (node, ") || !strings.Contains(target.LegendFormat, "{{node}}") && p.Type != "table" {
				t.Errorf("%s: %s (%s) has no node", p.Title, target.Expr, target.LegendFormat)
			}
		}
	}
	if ranked == 0 {
		t.Error("no panel ranks")
	}
}

// TestDashboardIsGenerated needs what make test-deploy installs: npm ci.
func TestDashboardIsGenerated(t *testing.T) {
	generate := exec.Command("npm", "run", "--silent", "generate")
	generate.Dir = shipped(t, "grafana")
	var problems bytes.Buffer
	generate.Stderr = &problems
	generated, err := generate.Output()
	if err != nil {
		t.Fatalf("npm run generate: %v\n%s%s", err, generated, problems.String())
	}
	if diff := cmp.Diff(string(readFile(t, "grafana/leaktrace.json")), string(generated)); diff != "" {
		t.Errorf("leaktrace.json is not what dashboard.ts gives: run make dashboard\n%s", diff)
	}
}
