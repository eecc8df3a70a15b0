// Package node watches all workloads of a node, all the time: it judges each
// program of each container by its own history, and publishes what it knows as
// states that do not change, for metrics and reports.
package node

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// Source is where snapshots come from: *tracer.Tracer.
type Source interface {
	Snapshot() (*tracer.Snapshot, error)
	Parked(threads []tracer.Object) ([]tracer.Parked, error)
	Costs() []tracer.Cost
}

// Settings can change while a node is watched.
type Settings struct {
	// Interval is the time from one snapshot to the next.
	Interval time.Duration
	// MinAge is how long an object must be outstanding before it can accuse its
	// site. When it changes all verdicts begin anew.
	MinAge time.Duration
	// TopSites is how many leaking sites of a container have a series each.
	TopSites int
	// Filter is what is shown.
	Filter Filter
	// Suppressions are leaks that are accepted.
	Suppressions []export.Suppression
	// Limits are for what one program of one container may hold.
	Limits limit.Own
}

// DefaultSettings suit a service. Leaks that matter there take minutes to days, so
// a snapshot every ten seconds sees them in time at a tenth of what run spends; and
// a minute is more than nearly all connections and children take to be collected.
func DefaultSettings() Settings {
	return Settings{Interval: 10 * time.Second, MinAge: time.Minute, TopSites: 10}
}

// Options says how to watch. Settings must be set.
type Options struct {
	// Node is the name of the node.
	Node string
	// Started is when tracing began.
	Started time.Time
	// Settings is asked before each snapshot.
	Settings func() Settings
	// Owner tells who a cgroup belongs to. It must not block. nil: nobody knows.
	Owner func(cgroup string) workload.Workload
	// Limits reads what bounds processes, by pid. nil: nothing is known.
	Limits func([]tracer.Process) (map[int][]limit.Limit, error)
	// Overhead is what tracing has cost so far. nil: nothing is known.
	Overhead func() export.Overhead
	// Took is told how long each snapshot took, until its state was published.
	Took func(time.Duration)
	// Log gets what fails. nil: nowhere.
	Log *slog.Logger
}

// Watcher watches a node. Run and Step are for one goroutine, all else for any number.
type Watcher struct {
	source  Source
	options Options
	scopes  scopes
	labels  *labeller
	totals  totals
	top     *ranking
	seen    inspection
	failing bool

	mu      sync.Mutex
	state   *State
	changed chan struct{} // closed when state is replaced
}

// New returns a watcher that has seen nothing.
func New(source Source, options Options) *Watcher {
	if options.Owner == nil {
		options.Owner = func(string) (nobody workload.Workload) { return nobody }
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return &Watcher{
		source: source, options: options, scopes: newScopes(options.Started),
		labels: newLabeller(), totals: newTotals(), top: newRanking(), changed: make(chan struct{}),
	}
}

// Run takes a snapshot at once and then one each interval, until the context
// ends. A snapshot that fails is logged and tried again.
func (w *Watcher) Run(ctx context.Context) {
	for {
		began := time.Now()
		interval := w.options.Settings().Interval
		w.note(w.Step())
		next := time.NewTimer(max(interval-time.Since(began), interval/10))
		select {
		case <-ctx.Done():
			next.Stop()
			return
		case <-next.C:
		}
	}
}

// note logs the first of several failures, and that they are over.
func (w *Watcher) note(err error) {
	switch {
	case err != nil && !w.failing:
		w.options.Log.Error("cannot take a snapshot; trying again", "err", err)
	case err == nil && w.failing:
		w.options.Log.Info("snapshots succeed again")
	}
	w.failing = err != nil
}

// Step takes a snapshot and publishes what it shows. Run calls it.
func (w *Watcher) Step() error {
	settings := w.options.Settings()
	began := time.Now()
	snapshot, err := w.source.Snapshot()
	if err != nil {
		return fmt.Errorf("watch the node: %w", err)
	}
	w.scopes.add(snapshot, settings.MinAge)
	if w.seen.due(began) {
		w.inspect(snapshot.Processes)
	}
	w.publish(w.makeState(snapshot, settings))
	if w.options.Took != nil {
		w.options.Took(time.Since(began))
	}
	return nil
}

func (w *Watcher) publish(s *State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
	close(w.changed)
	w.changed = make(chan struct{})
}

// State is what is known now, nil before the first snapshot.
func (w *Watcher) State() *State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// After waits for a state that was made at a time or later. It fails only when the
// context ends.
func (w *Watcher) After(ctx context.Context, t time.Time) (*State, error) {
	for {
		w.mu.Lock()
		state, changed := w.state, w.changed
		w.mu.Unlock()
		if state != nil && !state.Made.Before(t) {
			return state, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a snapshot: %w", ctx.Err())
		case <-changed:
		}
	}
}
