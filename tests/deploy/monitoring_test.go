package deploy

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// quick makes leaks known within seconds. demo leaks one of each kind a second; a
// limit makes it run out of something.
const quick = "interval: 1s\nmin_age: 1s\nlimits: {close-wait: 40}\n"

// TestMonitoring goes the whole way: a program leaks, leaktrace sees it, Prometheus
// scrapes it over TLS with a password, Alertmanager passes the alert on, and the
// dashboard has something to show.
func TestMonitoring(t *testing.T) {
	w := newWeb(t)
	config := writeFile(t, t.TempDir(), "leaktrace.yml", []byte(quick))
	exporter := startExporter(t, w, config)
	leak(t)
	received := newReceiver(t)
	prometheus := startPrometheus(t, w, startAlertmanager(t, received))

	t.Run("password", func(t *testing.T) { testPassword(t, w) })
	t.Run("alerts", func(t *testing.T) { testLeakAlerts(t, received) })
	t.Run("labels", func(t *testing.T) { testLabels(t, prometheus) })
	t.Run("metrics", func(t *testing.T) { testMetrics(t, w) })
	t.Run("dashboard", func(t *testing.T) { testQueries(t, prometheus) })
	t.Run("own alerts", func(t *testing.T) { testOwnAlerts(t, received, exporter, config) })
}

// leak runs demo by a name of its own: all that runs on this machine is watched.
func leak(t *testing.T) {
	t.Helper()
	demo, err := os.ReadFile(built(t, "programs/demo"))
	must(t, err)
	program := writeFile(t, t.TempDir(), "demo-deploy", demo)
	must(t, os.Chmod(program, 0o700))
	start(t, program, "600")
}

func testPassword(t *testing.T, w *web) {
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/debug/leaks", "/debug/pprof/leaks"} {
		for _, authorised := range []bool{false, true} {
			want := http.StatusUnauthorized
			if authorised {
				want = http.StatusOK
			}
			if status, _, err := w.get(path, authorised); status != want || err != nil {
				t.Errorf("%s, password %t: %d (%v), want %d", path, authorised, status, err, want)
			}
		}
	}
}

func testLeakAlerts(t *testing.T, received *receiver) {
	sites := map[string]string{
		"thread":          "start_analytics_pool",
		"unjoined-thread": "flush_metrics_async",
		"zombie":          "run_healthcheck",
		"close-wait":      "fetch_config",
	}
	for kind, site := range sites {
		labels := map[string]string{"comm": "demo-deploy", "kind": kind, "node": "n1", "severity": "warning"}
		eventually(t, "a leak that grows", func() error {
			a, err := received.firing("LeaktraceLeakGrowing", labels)
			if err == nil && !strings.Contains(a.Annotations["description"], site) {
				err = fmt.Errorf("%s is not in %q", site, a.Annotations["description"])
			}
			return err
		})
	}
	for name, labels := range map[string]map[string]string{
		"LeaktraceNotGivenBack":   {"comm": "demo-deploy", "kind": "close-wait"},
		"LeaktraceExhaustionSoon": {"comm": "demo-deploy", "kind": "close-wait", "severity": "critical"},
		"LeaktraceLimitNear":      {"node": "n1", "resource": "objects"},
		"LeaktraceWatchdog":       {"severity": "none"},
	} {
		eventually(t, name, func() error {
			_, err := received.firing(name, labels)
			return err
		})
	}
}

// The labels of the leak are its own, also where it has none.
func testLabels(t *testing.T, prometheus string) {
	series, err := ask(prometheus, `leaktrace_leaked_objects{comm="demo-deploy"}`)
	must(t, err)
	if len(series) != 4 {
		t.Errorf("%d series of demo, want 4", len(series))
	}
	for _, s := range series {
		if s.Metric["namespace"] != "" || s.Metric["pod"] != "" {
			t.Errorf("demo, which runs in no pod, has %v", s.Metric)
		}
	}
}

func testMetrics(t *testing.T, w *web) {
	_, body, err := w.get("/metrics", true)
	must(t, err)
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(body)
	if said, err := check.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, said)
	}
}

// testOwnAlerts are those about leaktrace itself: none before something is wrong.
func testOwnAlerts(t *testing.T, received *receiver, exporter *os.Process, config string) {
	for _, name := range []string{"LeaktraceDown", "LeaktraceStale", "LeaktraceConfigReloadFailed"} {
		if a, err := received.firing(name, nil); err == nil {
			t.Errorf("while all is well: %v", a)
		}
	}
	must(t, os.WriteFile(config, []byte("interval: [\n"), 0o600))
	must(t, exporter.Signal(syscall.SIGHUP))
	eventually(t, "a file with a mistake", func() error {
		_, err := received.firing("LeaktraceConfigReloadFailed", map[string]string{"node": "n1"})
		return err
	})
	must(t, exporter.Signal(syscall.SIGTERM))
	for _, name := range []string{"LeaktraceDown", "LeaktraceAbsent"} {
		eventually(t, "leaktrace has ended", func() error {
			_, err := received.firing(name, nil)
			return err
		})
	}
}

// TestRules is what promtool says of the rules as they are shipped.
func TestRules(t *testing.T) {
	run(t, "promtool", "check", "rules", shipped(t, "prometheus/alerts.yml"))
	run(t, "promtool", "test", "rules", shipped(t, "prometheus/alerts_test.yml"))
}

// Every alert has a test that it fires and one that it does not.
func TestEveryRuleIsTested(t *testing.T) {
	tested := map[string][]bool{}
	cases, alerts := alertCases(t)
	for _, c := range cases {
		tested[c.name] = append(tested[c.name], c.fires)
	}
	for _, name := range alerts {
		var missing []error
		for _, fires := range []bool{true, false} {
			found := false
			for _, f := range tested[name] {
				found = found || f == fires
			}
			// The watchdog fires always.
			if !found && (fires || name != "LeaktraceWatchdog") {
				missing = append(missing, fmt.Errorf("%s: no test where it fires=%t", name, fires))
			}
		}
		if err := errors.Join(missing...); err != nil {
			t.Error(err)
		}
	}
}
