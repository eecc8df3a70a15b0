package metrics

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata")

var at = time.Date(2026, 11, 3, 9, 30, 0, 500_000_000, time.UTC)

// state has everything that a metric is made of.
func state() *node.State {
	label := func(namespace, pod, container, comm string) node.Label {
		return node.Label{Workload: workload.Workload{Namespace: namespace, Pod: pod, Container: container}, Comm: comm}
	}
	return &node.State{
		Series: []node.Series{{
			Label: label("", "", `evil\x2d".service`, `\x1b[2J`), Kind: tracer.Thread, Created: 7, Released: 7,
		}, {
			Label: label("shop", "cart-1", "app", "cart"), Kind: tracer.Zombie,
			Objects: 30, Leaked: 20, Before: 2, Oldest: 90 * time.Second, GrowthPerS: 0.25, Created: 100, Released: 70,
			Bounds: map[limit.Resource]node.Bound{
				limit.Tasks: {Used: 0.75, FullS: 3600}, limit.AddressSpace: {Used: 0.1, FullS: math.Inf(1)},
			},
			Sites:  []node.Site{{Title: "Pool::grow() (pool.cc:40)", Fingerprint: "77e1", Leaked: 15}},
			Others: 5,
		}},
		Snapshot: &tracer.Snapshot{
			Time: at, Processes: make([]tracer.ProcessActivity, 3), Corrected: 4,
			StackQuality: map[tracer.Quality]uint64{tracer.Complete: 12, tracer.FPUsed: 1},
			Maps:         []tracer.MapFill{{Name: "stacks", Used: 12, Max: 32768}},
		},
		Lost:     map[string]uint64{"events_ring_full": 2, "threads_map_full": 0},
		Unjudged: map[string]uint64{"finished_threads_unjudged": 6},
		Refused:  []node.Refusal{{Workload: workload.Workload{Namespace: "shop", Pod: "cart-1", Container: "app"}, Cause: "stacks", Count: 9}},
		Costs:    []tracer.Cost{{Program: "task_newtask", Runs: 1000, Time: 1500 * time.Microsecond}},
	}
}

func metricsOf(s *node.State) *Metrics {
	m := New(Options{
		Node: "node-a", State: func() *node.State { return s },
		Sources: func() []workload.SourceState {
			return []workload.SourceState{{Name: "kubernetes", Up: true}, {Name: "cri"}}
		},
		Build: Build{"v1.2.3", "abc", "go1.26"},
	})
	m.Took(30 * time.Millisecond)
	m.Reloaded(true, at)
	m.Reloaded(false, at.Add(time.Hour))
	return m
}

// own leaves out what is of the Go runtime and of this process.
func own(t *testing.T, m *Metrics) []byte {
	t.Helper()
	families, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, f := range families {
		if bytes.HasPrefix([]byte(f.GetName()), []byte(prefix)) {
			if _, err := expfmt.MetricFamilyToText(&out, f); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out.Bytes()
}

func TestGolden(t *testing.T) {
	for name, s := range map[string]*node.State{"state.txt": state(), "none.txt": nil} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			got := own(t, metricsOf(s))
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got; rewrite with go test -update):\n%s", path, diff)
			}
		})
	}
}

func TestLint(t *testing.T) {
	problems, err := testutil.GatherAndLint(metricsOf(state()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Every metric that is described is sent, so that the golden file has all of them.
func TestAllAreSent(t *testing.T) {
	c := newCollector(Options{}, nil)
	text := own(t, metricsOf(state()))
	for _, m := range c.all {
		var name string
		if _, err := fmt.Sscanf(m.desc.String(), "Desc{fqName: %q", &name); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("# TYPE "+name+" ")) {
			t.Errorf("%s is never sent", name)
		}
	}
}

// A defect in a name costs its own series only.
func TestInvalidLabel(t *testing.T) {
	s := state()
	s.Lost = map[string]uint64{"bad\xff": 1}
	m := metricsOf(s)
	if _, err := m.Gather(); err == nil {
		t.Error("a label that is no UTF-8 is no error")
	}
	out := httptest.NewRecorder()
	promhttp.HandlerFor(m, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}).
		ServeHTTP(out, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if out.Code != http.StatusOK || !bytes.Contains(out.Body.Bytes(), []byte("leaktrace_leaked_objects")) {
		t.Errorf("status %d: %.200s", out.Code, out.Body)
	}
}
