package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/leaktrace/leaktrace/export"
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

func TestLeaks(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	for path, want := range map[string][]string{
		"/debug/leaks":                               {"bank", "shop"},
		"/debug/leaks?namespace=shop":                {"shop"},
		"/debug/leaks?namespace=shop&namespace=bank": {"bank", "shop"},
		"/debug/leaks?namespace=none":                nil,
		"/debug/leaks?kind=thread":                   nil,
	} {
		r := new(export.Report)
		if err := json.Unmarshal(f.get(t, path).body, r); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range r.Sites {
			got = append(got, s.Workload.Namespace)
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// counts is how many objects a profile has of each namespace.
func counts(t *testing.T, raw []byte) map[string]int64 {
	t.Helper()
	p, err := profile.ParseData(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
	n := map[string]int64{}
	for _, s := range p.Sample {
		n[s.Label["namespace"][0]] += s.Value[0]
	}
	return n
}

func TestProfile(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	if diff := cmp.Diff(map[string]int64{"bank": 2, "shop": 3}, counts(t, f.get(t, "/debug/pprof/leaks").body)); diff != "" {
		t.Error(diff)
	}
}

// begun tells when somebody waits for a state, and lets the time pass.
type begun struct {
	*node.Watcher
	waiting chan time.Time
	pass    chan struct{}
}

func (b *begun) After(ctx context.Context, t time.Time) (*node.State, error) {
	b.waiting <- t
	select {
	case <-b.pass:
		return b.State(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// waiter serves profiles of what changes. The time passes when the test says so.
func waiter(f *fixture) (*begun, *httptest.Server) {
	b := &begun{f.watcher, make(chan time.Time), make(chan struct{})}
	return b, httptest.NewServer(New(Options{Watcher: b, Metrics: prometheus.NewRegistry()}))
}

func TestDelta(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	b, server := waiter(f)
	defer server.Close()
	replies := make(chan []byte)
	go func() {
		defer close(replies)
		response, err := http.Get(server.URL + "/debug/pprof/leaks?seconds=30")
		if err != nil {
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		replies <- body
	}()
	if until := time.Until(<-b.waiting); until < 25*time.Second || until > 30*time.Second {
		t.Errorf("waits for %s, want 30 s", until)
	}
	f.held = map[string]int{"bank": 1, "shop": 7}
	f.step(t)
	b.pass <- struct{}{}
	if diff := cmp.Diff(map[string]int64{"bank": -1, "shop": 4}, counts(t, <-replies)); diff != "" {
		t.Error(diff)
	}
}

// Those who wait are bounded, and one who gives up makes room.
func TestDeltasAreBounded(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	b, server := waiter(f)
	defer server.Close()
	ask := func(ctx context.Context) int {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/debug/pprof/leaks?seconds=30", nil)
		if err != nil {
			return -1
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	ctx, cancel := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range maxWaiting {
		waiting.Go(func() { ask(ctx) })
		<-b.waiting
	}
	if status := ask(t.Context()); status != http.StatusServiceUnavailable {
		t.Errorf("status %d with %d waiting", status, maxWaiting)
	}
	cancel()
	waiting.Wait()
	// The server notices in its own time that they are gone.
	deadline := time.Now().Add(20 * time.Second)
	for status := 503; status == 503; {
		go func() {
			select {
			case <-b.waiting:
				b.pass <- struct{}{}
			case <-t.Context().Done():
			}
		}()
		if status = ask(t.Context()); status != 200 && time.Now().After(deadline) {
			t.Fatalf("status %d after all have gone", status)
		}
	}
}

// Reports that take long are made two at a time; more are refused, not queued.
func TestReportsAreBounded(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	h := &handler{Options{Watcher: f.watcher}, time.Now(), make(chan struct{}, maxReports), make(chan struct{}, maxWaiting)}
	for range maxReports {
		h.reports <- struct{}{}
	}
	request := httptest.NewRequest(http.MethodGet, "/debug/leaks", nil)
	full := httptest.NewRecorder()
	h.leaks(full, request)
	<-h.reports
	free := httptest.NewRecorder()
	h.leaks(free, request)
	if full.Code != 503 || full.Header().Get("Retry-After") == "" || free.Code != 200 {
		t.Errorf("status %d when full, %d when not", full.Code, free.Code)
	}
	if len(h.reports) != maxReports-1 {
		t.Errorf("%d places are taken after the reply", len(h.reports))
	}
}

// A report that cannot be made is an error and takes no place for good.
func TestFailedReport(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	h := &handler{Options{Watcher: f.watcher}, time.Now(), make(chan struct{}, maxReports), nil}
	out := httptest.NewRecorder()
	h.render(out, func(*node.State, *bytes.Buffer) error { return errors.New("broken") }, "text/plain")
	if out.Code != 500 || len(h.reports) != 0 {
		t.Errorf("status %d, %d places taken", out.Code, len(h.reports))
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
