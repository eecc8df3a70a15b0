// The dashboard of leaktrace: npm ci && npm run --silent generate > leaktrace.json
// (make dashboard). Tests run every query in it against a real Prometheus.
import * as common from "@grafana/grafana-foundation-sdk/common";
import * as dashboard from "@grafana/grafana-foundation-sdk/dashboard";
import * as prometheus from "@grafana/grafana-foundation-sdk/prometheus";
import * as stat from "@grafana/grafana-foundation-sdk/stat";
import * as table from "@grafana/grafana-foundation-sdk/table";
import * as timeseries from "@grafana/grafana-foundation-sdk/timeseries";

const source: common.DataSourceRef = { type: "prometheus", uid: "${datasource}" };

// What the variables at the top select: series of leaks, and those of leaktrace itself.
const leaks = `node=~"$node",namespace=~"$namespace",container=~"$container",kind=~"$kind"`;
const own = `node=~"$node"`;

// Whose it is. Outside of Kubernetes namespace and pod are empty, and the same unit
// runs on many nodes.
const owner = "{{node}} {{namespace}} {{pod}} {{container}} {{comm}}";
const byOwner = "node, namespace, pod, container, comm";

function query(expr: string, legend = "") {
  return new prometheus.DataqueryBuilder().datasource(source).expr(expr).legendFormat(legend);
}

function graph(title: string, description: string, unit: string, expr: string, legend: string) {
  return new timeseries.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(source)
    .unit(unit)
    .min(0)
    .span(12)
    .height(8)
    .fillOpacity(10)
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending))
    .withTarget(query(expr, legend));
}

// levels colour a number: green, from warn on orange, from bad on red.
function levels(warn: number, bad: number, descending = false) {
  const [low, middle, high] = descending ? ["red", "orange", "green"] : ["green", "orange", "red"];
  return new dashboard.ThresholdsConfigBuilder().mode(dashboard.ThresholdsMode.Absolute).steps([
    { value: null as unknown as number, color: low },
    { value: warn, color: middle },
    { value: bad, color: high },
  ]);
}

function number(title: string, description: string, unit: string, expr: string) {
  return new stat.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(source)
    .unit(unit)
    .span(4)
    .height(4)
    .graphMode(common.BigValueGraphMode.Area)
    .withTarget(query(expr));
}

const overview = [
  number("Leaked objects", "Outstanding at sites that are judged to be leaking.", "short",
    `sum(leaktrace_leaked_objects{${leaks}}) or vector(0)`).thresholds(levels(1, 1000)),
  number("Programs that leak", "Programs of a container, or of a systemd unit, with at least one leaking site.", "short",
    `count(count by (${byOwner}) (leaktrace_leaked_objects{${leaks}} > 0)) or vector(0)`).thresholds(levels(1, 10)),
  number("Will leak in an hour", "Forecast: how many more there will be in an hour if all goes on leaking at the rate of now.", "short",
    `3600 * (sum(leaktrace_leak_growth_per_second{${leaks}}) or vector(0))`).thresholds(levels(1, 1000)),
  number("Soonest exhaustion", "When the first program reaches a limit, if it goes on leaking as it does.", "s",
    `min(leaktrace_limit_exhaustion_seconds{${leaks}})`).noValue("never").thresholds(levels(4 * 3600, 24 * 3600, true)),
  number("Fullest limit", "How much is used of the limit that is nearest, leak or not.", "percentunit",
    `max(leaktrace_limit_used_ratio{${leaks}})`).noValue("no limits").thresholds(levels(0.75, 0.9)),
  number("Nodes watched", "Nodes whose leaktrace is scraped.", "short",
    `count(count by (node) (leaktrace_build_info{${own}}))`),
];

const sites = new table.PanelBuilder()
  .title("Sites that leak most")
  .description("The function that created what was not given back. /debug/leaks of leaktrace on the node has its stacks.")
  .datasource(source)
  .span(24)
  .height(9)
  .withTarget(
    query(`topk(25, sum by (${byOwner}, kind, site, fingerprint) (leaktrace_site_leaked_objects{${leaks}}) > 0)`)
      .instant()
      .format(prometheus.PromQueryFormat.Table),
  )
  .withTransformation({
    id: "organize",
    options: {
      excludeByName: { Time: true },
      indexByName: { Value: 0, kind: 1, site: 2, namespace: 3, pod: 4, container: 5, comm: 6, node: 7, fingerprint: 8 },
      renameByName: { Value: "leaked", comm: "program" },
    },
  })
  .sortBy([new common.TableSortByFieldStateBuilder().displayName("leaked").desc(true)]);

const details = [
  graph("Leaked objects", "Of leaking sites, by program: the ten that leak most.", "short",
    `topk(10, sum by (${byOwner}) (leaktrace_leaked_objects{${leaks}}))`, owner),
  graph("Growth", "Objects a second that leaking sites add.", "cps",
    `topk(10, sum by (${byOwner}) (leaktrace_leak_growth_per_second{${leaks}}))`, owner),
  graph("Outstanding objects", "All that were not given back yet, most of which will be.", "short",
    `sum by (kind) (leaktrace_objects{${leaks}})`, "{{kind}}"),
  graph("Created", "Objects a second.", "cps",
    `sum by (kind) (rate(leaktrace_objects_created_total{${leaks}}[$__rate_interval]))`, "created: {{kind}}")
    .title("Created and given back")
    .withTarget(query(`sum by (kind) (rate(leaktrace_objects_released_total{${leaks}}[$__rate_interval]))`, "given back: {{kind}}")),
  graph("Oldest object", "Age of the oldest object of each program that is still outstanding: the ten oldest.", "s",
    `topk(10, max by (${byOwner}, kind) (leaktrace_oldest_object_age_seconds{${leaks}}))`, `${owner} {{kind}}`),
  graph("Older than the tracer", "Objects that were there when leaktrace started. Their creation was not seen, so nothing is blamed for them.", "short",
    `topk(10, sum by (${byOwner}) (leaktrace_objects_created_before_tracing{${leaks}}))`, owner),
];

const limits = [
  graph("Limits in use", "Of the tightest limit on each resource: the ten that are fullest.", "percentunit",
    `topk(10, max by (${byOwner}, resource) (leaktrace_limit_used_ratio{${leaks}}))`, `${owner}: {{resource}}`)
    .thresholds(levels(0.75, 0.9)),
  graph("Time until a limit is reached", "By those that leak, at the rate of now: the ten soonest.", "s",
    `bottomk(10, min by (${byOwner}, resource) (leaktrace_limit_exhaustion_seconds{${leaks}}))`, `${owner}: {{resource}}`),
];

// processOf joins a metric of leaktrace's own process with the node it runs on.
function processOf(expr: string) {
  return `sum by (node) (${expr} * on (job, instance) group_left (node) leaktrace_build_info{${own}})`;
}

const self = [
  graph("Events lost", "Knowledge that was lost, by cause. Counts of objects stay right; stacks are missing.", "cps",
    `sum by (node, cause) (rate(leaktrace_lost_total{${own}}[$__rate_interval]))`, "{{node}}: {{cause}}"),
  graph("Refused", "What a container was refused because it took more than its share.", "cps",
    `sum by (node, namespace, pod, container, cause) (rate(leaktrace_refused_total{${own},namespace=~"$namespace",container=~"$container"}[$__rate_interval])) or on () vector(0)`,
    "{{node}} {{namespace}} {{pod}} {{container}}: {{cause}}"),
  graph("CPU of leaktrace", "Of its process; what it costs others is in the next graph.", "percentunit",
    processOf("rate(process_cpu_seconds_total[$__rate_interval])"), "{{node}}"),
  graph("CPU of its kernel programs", "Time they take from those that are traced. Nothing unless sysctl kernel.bpf_stats_enabled=1.", "percentunit",
    `sum by (node, program) (rate(leaktrace_program_seconds_total{${own}}[$__rate_interval])) or on () vector(0)`, "{{node}}: {{program}}"),
  graph("Memory of leaktrace", "Resident memory of its process, without kernel maps.", "bytes",
    processOf("process_resident_memory_bytes"), "{{node}}"),
  graph("Kernel maps", "How full they are. What does not fit any more is lost.", "percentunit",
    `max by (node, map) (leaktrace_map_entries{${own}} / leaktrace_map_max_entries{${own}})`, "{{node}}: {{map}}"),
  graph("Time of a snapshot", "Of all of 100 snapshots, 99 take less.", "s",
    `histogram_quantile(0.99, sum by (node, le) (rate(leaktrace_snapshot_duration_seconds_bucket{${own}}[$__rate_interval])))`, "{{node}}"),
  graph("Age of the last snapshot", "More than a few intervals mean that leaktrace is stuck.", "s",
    `time() - max by (node) (leaktrace_last_snapshot_timestamp_seconds{${own}})`, "{{node}}"),
  graph("Stacks captured", "By how far they can be trusted.", "cps",
    `sum by (quality) (rate(leaktrace_stacks_captured_total{${own}}[$__rate_interval]))`, "{{quality}}"),
  graph("Corrections", "Processes that no event told of, and that a look at the kernel's list found.", "cps",
    `sum by (node) (rate(leaktrace_reconciliation_corrections_total{${own}}[$__rate_interval]))`, "{{node}}"),
  graph("Processes traced", "", "short", `sum by (node) (leaktrace_traced_processes{${own}})`, "{{node}}"),
  graph("Configuration and sources", "1 is well: the last reload of the configuration, and each source of names of pods and containers.", "short",
    `min by (node) (leaktrace_config_last_reload_successful{${own}})`, "{{node}}: configuration")
    .withTarget(query(`min by (node, source) (leaktrace_workload_source_up{${own}}) or on () vector(1)`, "{{node}}: {{source}}")),
];

// variable lets the reader choose among the values of a label.
function variable(name: string, from: string, allValue: string) {
  return new dashboard.QueryVariableBuilder(name)
    .label(name)
    .datasource(source)
    .query(`label_values(${from}, ${name})`)
    .refresh(dashboard.VariableRefresh.OnTimeRangeChanged)
    .sort(dashboard.VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(allValue)
    .current({ selected: true, text: ["All"], value: ["$__all"] });
}

const builder = new dashboard.DashboardBuilder("leaktrace")
  .uid("leaktrace")
  .description("Which line of which container's code creates what is never given back.")
  .tags(["leaktrace"])
  .timezone("browser")
  .time({ from: "now-6h", to: "now" })
  .refresh("1m")
  .tooltip(dashboard.DashboardCursorSync.Crosshair)
  .withVariable(new dashboard.DatasourceVariableBuilder("datasource").label("data source").type("prometheus"))
  .withVariable(variable("node", "leaktrace_build_info", ".*"))
  .withVariable(variable("namespace", "leaktrace_objects", ".*"))
  .withVariable(variable("container", "leaktrace_objects", ".*"))
  .withVariable(variable("kind", "leaktrace_objects", ".*"));

builder.withRow(new dashboard.RowBuilder("Leaks"));
[...overview, sites, ...details].forEach((panel) => builder.withPanel(panel));
builder.withRow(new dashboard.RowBuilder("Limits"));
limits.forEach((panel) => builder.withPanel(panel));
builder.withRow(new dashboard.RowBuilder("leaktrace itself"));
self.forEach((panel) => builder.withPanel(panel));

console.log(JSON.stringify(builder.build(), null, 2));
