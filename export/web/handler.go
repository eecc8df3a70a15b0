// Package web serves what is known of a node over HTTP: metrics, health, reports
// and profiles. Nothing that is asked for waits for a snapshot, but profiles of
// what has changed.
package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/export/workload"
)

// Watcher is where states come from: *node.Watcher.
type Watcher interface {
	State() *node.State
	After(context.Context, time.Time) (*node.State, error)
}

// Options says what is served. All but Sources must be set.
type Options struct {
	Watcher Watcher
	Metrics prometheus.Gatherer
	// Node and Version are shown on the landing page.
	Node, Version string
	// Sources tells where names of workloads come from. nil: from nowhere.
	Sources func() []workload.SourceState
}

// How much is done at the same time. What is more is refused with 503.
const (
	maxScrapes = 8
	maxReports = 2 // a report of a large node takes a second and many megabytes
	maxWaiting = 8
)

// handler serves everything.
type handler struct {
	Options
	started time.Time
	reports chan struct{}
	waiting chan struct{}
}

// New returns a handler for all paths.
func New(o Options) http.Handler {
	h := &handler{o, time.Now(), make(chan struct{}, maxReports), make(chan struct{}, maxWaiting)}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{
		EnableOpenMetrics: true, MaxRequestsInFlight: maxScrapes, ErrorHandling: promhttp.ContinueOnError,
	}))
	mux.HandleFunc("GET /healthz", h.healthy)
	mux.HandleFunc("GET /readyz", h.ready)
	mux.HandleFunc("GET /debug/leaks", h.leaks)
	mux.HandleFunc("GET /debug/pprof/leaks", h.profile)
	mux.HandleFunc("GET /{$}", h.landing)
	return secure(mux)
}

// secure sets headers that keep browsers from making more of a reply than it is:
// names of traced processes are in all of them.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// enter takes one of the places there are, or refuses the request.
func enter(places chan struct{}, w http.ResponseWriter) (leave func(), ok bool) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, true
	default:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "too many requests at once; try again later", http.StatusServiceUnavailable)
		return nil, false
	}
}

// acquire waits for one of the places there are, until the context ends.
func acquire(ctx context.Context, places chan struct{}) (leave func(), err error) {
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for other reports: %w", ctx.Err())
	}
}
