package metrics

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

const prefix = "leaktrace_"

// metric is a metric without its value.
type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

// collector makes metrics of a state.
type collector struct {
	options Options
	all     []*metric
	node    prometheus.Labels

	objects, leaked, before, oldest, growth, used, full, site, created, released *metric

	lost, unjudged, refused, entries, maxEntries, seconds, runs, stacks *metric
	corrections, last, processes, build, source                         *metric
}

func newCollector(o Options, labels prometheus.Labels) *collector {
	c := &collector{options: o, node: labels}
	c.describeWorkloads()
	c.describeItself()
	return c
}

func (c *collector) describeWorkloads() {
	of := func(more ...string) []string {
		return append([]string{"namespace", "pod", "container", "comm", "kind"}, more...)
	}
	c.objects = c.gauge("objects", "Objects that are outstanding: children not reaped, threads alive, ended threads not joined, sockets in CLOSE_WAIT, goroutines that wait.", of()...)
	c.leaked = c.gauge("leaked_objects", "Outstanding objects of the sites that are judged to leak. Suppressed leaks are left out.", of()...)
	c.before = c.gauge("objects_created_before_tracing", "Outstanding objects that are older than tracing, so that it is not known what created them.", of()...)
	c.oldest = c.gauge("oldest_object_age_seconds", "How long the oldest object has been outstanding.", of()...)
	c.growth = c.gauge("leak_growth_per_second", "By how many objects a second the leaking sites grow.", of()...)
	c.used = c.gauge("limit_used_ratio", "Share that is used of the limit on a resource of which most is used: 1 is all.", of("resource")...)
	c.full = c.gauge("limit_exhaustion_seconds", "Time until a limit on a resource is reached, at the growth of all sites that leak or are suspect and fill it. Absent if never.", of("resource")...)
	c.site = c.gauge("site_leaked_objects", "Outstanding objects of a leaking site, for the top sites of each container; all others are one site, other.", of("site", "fingerprint")...)
	c.created = c.counter("objects_created_total", "Objects that were created: children forked, threads started, for unjoined-thread threads ended, sockets opened; of goroutines waits, each seen by two looks.", of()...)
	c.released = c.counter("objects_released_total", "Objects that were given back: children reaped, threads ended, for unjoined-thread threads joined, detached, or running when their process ended, sockets closed; of goroutines waits after which they went on or ended.", of()...)
}

func (c *collector) describeItself() {
	c.lost = c.counter("lost_total", "What the tracer could not see or keep, by cause.", "cause")
	c.unjudged = c.gauge("unjudged_objects", "Objects that are there now of which it cannot be told whether they leak, by cause: ended threads of an unknown C library, and connections beyond those that are looked at of a long accept queue.", "cause")
	c.refused = c.counter("refused_total", "What a container was refused because it would have taken it from others, by cause.", "namespace", "pod", "container", "cause")
	c.entries = c.gauge("map_entries", "Entries of the tracer's maps in the kernel.", "map")
	c.maxEntries = c.gauge("map_max_entries", "How many entries each of the tracer's maps can have.", "map")
	c.seconds = c.counter("program_seconds_total", "Processor time of each BPF program. Absent unless kernel.bpf_stats_enabled is set.", "program")
	c.runs = c.counter("program_runs_total", "How often each BPF program ran. Absent unless kernel.bpf_stats_enabled is set.", "program")
	c.stacks = c.counter("stacks_captured_total", "Stacks that were captured, by how far they can be trusted.", "quality")
	c.corrections = c.counter("reconciliation_corrections_total", "Processes that no event told of and that a look at the kernel's list found.")
	c.last = c.gauge("last_snapshot_timestamp_seconds", "When the last snapshot was taken, in Unix time.")
	c.processes = c.gauge("traced_processes", "Processes that are traced.")
	c.build = c.gauge("build_info", "What was built, by which Go. The value is always 1.", "version", "revision", "goversion")
	c.source = c.gauge("workload_source_up", "Whether a source of the names of pods and containers answers.", "source")
}

func (c *collector) gauge(name, help string, labels ...string) *metric {
	return c.metric(prometheus.GaugeValue, name, help, labels)
}

func (c *collector) counter(name, help string, labels ...string) *metric {
	return c.metric(prometheus.CounterValue, name, help, labels)
}

func (c *collector) metric(kind prometheus.ValueType, name, help string, labels []string) *metric {
	m := &metric{prometheus.NewDesc(prefix+name, help, labels, c.node), kind}
	c.all = append(c.all, m)
	return m
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.all {
		to <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	b := c.options.Build
	c.build.send(to, 1, b.Version, b.Revision, b.GoVersion)
	if c.options.Sources != nil {
		for _, s := range c.options.Sources() {
			c.source.send(to, boolean(s.Up), s.Name)
		}
	}
	s := c.options.State()
	if s == nil {
		return
	}
	c.collectTracer(to, s)
	for i := range s.Series {
		c.collectSeries(to, &s.Series[i])
	}
}

func (c *collector) collectTracer(to chan<- prometheus.Metric, s *node.State) {
	for _, cause := range slices.Sorted(maps.Keys(s.Lost)) {
		c.lost.send(to, float64(s.Lost[cause]), cause)
	}
	for _, cause := range slices.Sorted(maps.Keys(s.Unjudged)) {
		c.unjudged.send(to, float64(s.Unjudged[cause]), cause)
	}
	for _, r := range s.Refused {
		c.refused.send(to, float64(r.Count), r.Namespace, r.Pod, r.Container, r.Cause)
	}
	for _, m := range s.Snapshot.Maps {
		c.entries.send(to, float64(m.Used), m.Name)
		c.maxEntries.send(to, float64(m.Max), m.Name)
	}
	for _, p := range s.Costs {
		c.seconds.send(to, p.Time.Seconds(), p.Program)
		c.runs.send(to, float64(p.Runs), p.Program)
	}
	for quality, n := range s.Snapshot.StackQuality {
		c.stacks.send(to, float64(n), string(quality))
	}
	c.corrections.send(to, float64(s.Snapshot.Corrected))
	c.last.send(to, float64(s.Snapshot.Time.UnixMilli())/1000)
	c.processes.send(to, float64(len(s.Snapshot.Processes)))
}

func (c *collector) collectSeries(to chan<- prometheus.Metric, s *node.Series) {
	labels := []string{s.Namespace, s.Pod, s.Container, s.Comm, string(s.Kind)}
	c.objects.send(to, float64(s.Objects), labels...)
	c.leaked.send(to, float64(s.Leaked), labels...)
	c.created.send(to, float64(s.Created), labels...)
	c.released.send(to, float64(s.Released), labels...)
	if s.Objects > 0 {
		c.before.send(to, float64(s.Before), labels...)
		c.oldest.send(to, s.Oldest.Seconds(), labels...)
	}
	if s.Leaked > 0 {
		c.growth.send(to, s.GrowthPerS, labels...)
	}
	for resource, b := range s.Bounds {
		bounded := append(labels, resourceLabel(resource))
		c.used.send(to, b.Used, bounded...)
		if !math.IsInf(b.FullS, 1) {
			c.full.send(to, b.FullS, bounded...)
		}
	}
	for _, site := range s.Sites {
		c.site.send(to, float64(site.Leaked), append(labels, site.Title, site.Fingerprint)...)
	}
	if s.Others > 0 {
		c.site.send(to, float64(s.Others), append(labels, otherSites, "")...)
	}
}

// otherSites is the label of a container's sites beyond the top ones, together.
const otherSites = "other"

// resourceLabel is a resource as one word.
func resourceLabel(r limit.Resource) string {
	if r == limit.AddressSpace {
		return "address_space"
	}
	return string(r)
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// send makes a metric. A label that is no UTF-8 would be a defect of package node;
// that metric is then left out, and the scrape says why.
func (m *metric) send(to chan<- prometheus.Metric, value float64, labels ...string) {
	made, err := prometheus.NewConstMetric(m.desc, m.kind, value, labels...)
	if err != nil {
		made = prometheus.NewInvalidMetric(m.desc, err)
	}
	to <- made
}
