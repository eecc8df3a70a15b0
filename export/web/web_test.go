package web

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
)

// source is a node on which each container holds as many zombies as it is told.
type source struct {
	now  time.Time
	held map[string]int
}

func (f *source) Snapshot() (*tracer.Snapshot, error) {
	f.now = f.now.Add(time.Minute)
	s := &tracer.Snapshot{Time: f.now}
	for i, name := range []string{"bank", "shop"} {
		p := tracer.Process{PID: i + 1, Start: 1, Comm: "app"}
		scope := tracer.Scope{Cgroup: "/" + name, Program: "app"}
		site := tracer.Site{Kind: tracer.Zombie, Scope: scope, Fingerprint: name, Stack: tracer.Stack{Site: -1}}
		for id := range f.held[name] {
			site.Outstanding = append(site.Outstanding, tracer.Object{
				Kind: tracer.Zombie, ID: 100 + id, Created: f.now, Since: f.now, Owner: p, Zombie: &tracer.ZombieInfo{Reaper: p},
			})
		}
		s.Sites = append(s.Sites, site)
		s.Processes = append(s.Processes, tracer.ProcessActivity{Process: p, Scope: scope})
	}
	return s, nil
}

func (f *source) Parked([]tracer.Object) ([]tracer.Parked, error) { return nil, nil }
func (f *source) Costs() []tracer.Cost                            { return nil }

// fixture is a server of a node.
type fixture struct {
	*source
	watcher *node.Watcher
	server  *httptest.Server
}

func newFixture(t *testing.T) *fixture {
	began := time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)
	f := &fixture{source: &source{began, map[string]int{"bank": 2, "shop": 3}}}
	f.watcher = node.New(f.source, node.Options{
		Node: "node-<a>", Started: began, Settings: node.DefaultSettings,
		Owner: func(cgroup string) workload.Workload {
			return workload.Workload{Namespace: cgroup[1:], Pod: "pod", Container: "c"}
		},
	})
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector())
	f.server = httptest.NewServer(New(Options{
		Watcher: f.watcher, Metrics: registry, Node: "node-<a>", Version: "v1",
		Sources: func() []workload.SourceState {
			return []workload.SourceState{{Name: "cri", Up: true}, {Name: "kubernetes", Err: "<refused>"}}
		},
	}))
	t.Cleanup(f.server.Close)
	return f
}

func (f *fixture) step(t *testing.T) {
	t.Helper()
	if err := f.watcher.Step(); err != nil {
		t.Fatal(err)
	}
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (f *fixture) get(t *testing.T, path string) reply {
	t.Helper()
	response, err := http.Get(f.server.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, body}
}

func TestPages(t *testing.T) {
	f := newFixture(t)
	const html, plain = "text/html; charset=UTF-8", "text/plain; charset=utf-8"
	tests := []struct {
		path   string
		before int // status before the first snapshot
		after  int
		kind   string
		says   string
	}{
		{"/", 200, 200, html, `href="/debug/pprof/leaks"`},
		{"/", 200, 200, html, "node-&lt;a&gt;"},
		{"/", 200, 200, html, "kubernetes does not answer: &lt;refused&gt;"},
		{"/metrics", 200, 200, "", "go_goroutines"},
		{"/healthz", 200, 200, plain, "ok"},
		{"/readyz", 503, 200, plain, "ok"},
		{"/debug/leaks", 503, 200, "application/json", `"node": "node-<a>"`},
		{"/debug/leaks?format=text&namespace=shop", 503, 200, plain, "app in shop/pod/c"},
		{"/debug/leaks?format=html&kind=zombie", 503, 200, "text/html; charset=utf-8", "found on node-&lt;a&gt;, watched"},
		{"/debug/leaks?format=folded", 503, 200, plain, "zombie;(no stack captured) 5"},
		{"/debug/leaks?format=pprof", 503, 200, "application/octet-stream", "\x1f\x8b"},
		{"/debug/pprof/leaks?kind=zombie&namespace=shop&pod=pod&container=c", 503, 200, "application/octet-stream", "\x1f\x8b"},
		{"/debug/pprof/leaks?seconds=1", 503, 0, "", ""},
		{"/debug/leaks?kind=fd", 400, 400, plain, `no kind "fd"; the kinds are zombie, thread`},
		{"/debug/leaks?format=xml", 400, 400, plain, `no format "xml"; the formats are text, json`},
		{"/debug/leaks?names=x", 400, 400, plain, `no parameter "names"; there are kind, namespace, pod, container, format`},
		{"/debug/leaks?seconds=1", 400, 400, plain, `no parameter "seconds"`},
		{"/debug/leaks?%zz", 400, 400, plain, "read the query"},
		{"/debug/pprof/leaks?seconds=0", 400, 400, plain, "from 1 to 600"},
		{"/debug/pprof/leaks?seconds=601", 400, 400, plain, "from 1 to 600"},
		{"/debug/pprof/leaks?seconds=1s", 400, 400, plain, "from 1 to 600"},
		{"/debug/pprof/heap", 404, 404, plain, ""},
		{"/debug/", 404, 404, plain, ""},
		{"/index.html", 404, 404, plain, ""},
	}
	for _, tt := range tests {
		if got := f.get(t, tt.path); got.status != tt.before {
			t.Errorf("%s: status %d before the first snapshot, want %d", tt.path, got.status, tt.before)
		}
	}
	f.step(t)
	for _, tt := range tests {
		if tt.after == 0 {
			continue
		}
		got := f.get(t, tt.path)
		if got.status != tt.after || !bytes.Contains(got.body, []byte(tt.says)) {
			t.Errorf("%s: status %d, want %d, and %q in:\n%s", tt.path, got.status, tt.after, tt.says, got.body)
		}
		if kind := got.header.Get("Content-Type"); tt.kind != "" && kind != tt.kind {
			t.Errorf("%s: type %q, want %q", tt.path, kind, tt.kind)
		}
		if got.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: headers %v", tt.path, got.header)
		}
	}
}

func TestMethods(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/debug/leaks", "/debug/pprof/leaks"} {
		response, err := http.Post(f.server.URL+path, "text/plain", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: status %d", path, response.StatusCode)
		}
	}
}

func TestOpenMetrics(t *testing.T) {
	f := newFixture(t)
	request, err := http.NewRequest(http.MethodGet, f.server.URL+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "application/openmetrics-text")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "application/openmetrics-text") {
		t.Errorf("type %q", kind)
	}
}

// late is a watcher whose last state is of some time ago.
type late struct {
	Watcher
	state *node.State
}

func (l late) State() *node.State { return l.state }

func TestHealth(t *testing.T) {
	state := func(age, interval time.Duration) *node.State {
		return &node.State{Made: time.Now().Add(-age), Settings: node.Settings{Interval: interval}}
	}
	for name, tt := range map[string]struct {
		state   *node.State
		started time.Duration // ago
		want    int
	}{
		"just started":        {nil, time.Second, 200},
		"never a snapshot":    {nil, 2 * time.Minute, 503},
		"fresh":               {state(time.Second, 10*time.Second), time.Hour, 200},
		"a slow snapshot":     {state(50*time.Second, 10*time.Second), time.Hour, 200},
		"stuck":               {state(70*time.Second, 10*time.Second), time.Hour, 503},
		"a long interval":     {state(70*time.Second, time.Minute), time.Hour, 200},
		"stuck between hours": {state(4*time.Hour, time.Hour), 9 * time.Hour, 503},
	} {
		t.Run(name, func(t *testing.T) {
			h := &handler{Options: Options{Watcher: late{state: tt.state}}, started: time.Now().Add(-tt.started)}
			out := httptest.NewRecorder()
			h.healthy(out, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if out.Code != tt.want {
				t.Errorf("status %d, want %d: %s", out.Code, tt.want, out.Body)
			}
		})
	}
}
