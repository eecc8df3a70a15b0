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

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/node"
)

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
	go func() {
		for {
			select {
			case <-b.waiting:
			case b.pass <- struct{}{}:
			case <-t.Context().Done():
				return
			}
		}
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		status := ask(t.Context())
		if status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("status %d after all have gone", status)
		}
	}
}

// All that wait for the same snapshot are served, though only so many reports are made
// at a time, and who gives up meanwhile waits for no place.
func TestDeltasTakeTurns(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	b := &begun{f.watcher, make(chan time.Time), make(chan struct{})}
	h := &handler{Options{Watcher: b}, time.Now(), make(chan struct{}, maxReports), make(chan struct{}, maxWaiting)}
	replies := make(chan int, maxWaiting)
	ask := func(ctx context.Context) {
		out := httptest.NewRecorder()
		h.profile(out, httptest.NewRequestWithContext(ctx, http.MethodGet, "/debug/pprof/leaks?seconds=30", nil))
		replies <- out.Code
	}
	for range maxWaiting - 1 {
		go ask(t.Context())
		<-b.waiting
	}
	for range maxReports {
		h.reports <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ask(ctx)
	if status := <-replies; status != http.StatusServiceUnavailable {
		t.Errorf("status %d of one who gave up", status)
	}
	for range maxWaiting - 1 {
		b.pass <- struct{}{}
	}
	for range maxReports {
		<-h.reports
	}
	for range maxWaiting - 1 {
		if status := <-replies; status != http.StatusOK {
			t.Errorf("status %d of one who waited", status)
		}
	}
	if len(h.reports)+len(h.waiting) != 0 {
		t.Errorf("%d and %d places are taken", len(h.reports), len(h.waiting))
	}
}

// deadlined notes until when it may be written.
type deadlined struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (d *deadlined) SetWriteDeadline(t time.Time) error { d.deadline = t; return nil }

// A reply has the time that it waits on purpose, for the time and for a snapshot.
func TestDeltaDeadline(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	h := &handler{Options{Watcher: f.watcher}, time.Now(), make(chan struct{}, maxReports), make(chan struct{}, maxWaiting)}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &deadlined{ResponseRecorder: httptest.NewRecorder()}
	h.profile(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/debug/pprof/leaks?seconds=30", nil))
	want := 30*time.Second + node.DefaultSettings().Interval + time.Minute
	if got := time.Until(w.deadline); got > want || got < want-5*time.Second {
		t.Errorf("has %s, want %s", got, want)
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

// A page may run its own script, on this server as from a file, and no other.
func TestPagePolicy(t *testing.T) {
	f := newFixture(t)
	f.step(t)
	got := f.get(t, "/debug/leaks?format=html").header.Get("Content-Security-Policy")
	if want := export.HTMLPolicy() + "; frame-ancestors 'none'"; got != want {
		t.Errorf("policy %q, want %q", got, want)
	}
	if other := f.get(t, "/").header.Get("Content-Security-Policy"); strings.Contains(other, "script-src") {
		t.Errorf("other pages have the policy %q", other)
	}
}
