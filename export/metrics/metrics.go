// Package metrics turns the states of a node into Prometheus metrics. How many
// series there are is bounded by the containers of the node: by the programs of
// each, which package node bounds, and by the top sites.
package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/export/workload"
)

// Options says where the numbers come from. State must be set.
type Options struct {
	// Node is the value of the label node.
	Node string
	// State is what is known now, nil if nothing is.
	State func() *node.State
	// Sources tells whether the sources of workloads answer. nil: there are none.
	Sources func() []workload.SourceState
	Build   Build
}

// Build is what was built, by which Go.
type Build struct{ Version, Revision, GoVersion string }

// Metrics is a registry of all that leaktrace exports. It is safe for concurrent
// use.
type Metrics struct {
	*prometheus.Registry
	snapshots prometheus.Histogram
	reloaded  prometheus.Gauge
	reloadAt  prometheus.Gauge
}

// New makes the registry. Its metrics are leaktrace's own until there is a state.
func New(o Options) *Metrics {
	labels := prometheus.Labels{"node": o.Node}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help, ConstLabels: labels})
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		snapshots: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: prefix + "snapshot_duration_seconds", Help: "How long it took to take a snapshot of the node and to judge it.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, ConstLabels: labels,
		}),
		reloaded: gauge("config_last_reload_successful", "Whether the configuration was read without an error last time."),
		reloadAt: gauge("config_last_reload_success_timestamp_seconds", "When the configuration was read without an error, in Unix time."),
	}
	m.MustRegister(
		m.snapshots, m.reloaded, m.reloadAt,
		newCollector(o, labels),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Took notes how long a snapshot took.
func (m *Metrics) Took(d time.Duration) { m.snapshots.Observe(d.Seconds()) }

// Reloaded notes that the configuration was read, and whether it could be used.
func (m *Metrics) Reloaded(ok bool, at time.Time) {
	if !ok {
		m.reloaded.Set(0)
		return
	}
	m.reloaded.Set(1)
	m.reloadAt.Set(float64(at.UnixMilli()) / 1000)
}
