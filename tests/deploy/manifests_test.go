// Package deploy tests what deploy/ gives to those who run leaktrace: manifests,
// chart, unit, image, alerts and dashboard, with the programs that take them.
package deploy

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// ways are the same installations, as components and as the chart's values.
func ways() map[string]struct {
	components []string
	values     string
} {
	return map[string]struct {
		components []string
		values     string
	}{
		"default":     {nil, ""},
		"tls":         {[]string{"tls"}, "web: {secret: leaktrace-web}"},
		"seccomp":     {[]string{"seccomp"}, "seccompProfile: {type: Localhost, localhostProfile: leaktrace.json}"},
		"cri":         {[]string{"cri"}, "criDirectory: /run/containerd"},
		"policy":      {[]string{"networkpolicy"}, "networkPolicy: {enabled: true}"},
		"monitor":     {[]string{"servicemonitor"}, "serviceMonitor: {enabled: true}"},
		"rules":       {[]string{"prometheusrule"}, "prometheusRule: {enabled: true}"},
		"all of them": {[]string{"tls", "seccomp", "cri", "networkpolicy", "servicemonitor-tls", "prometheusrule"}, "web: {secret: leaktrace-web}\nseccompProfile: {type: Localhost, localhostProfile: leaktrace.json}\ncriDirectory: /run/containerd\nnetworkPolicy: {enabled: true}\nserviceMonitor: {enabled: true}\nprometheusRule: {enabled: true}"},
	}
}

func TestChartRendersTheManifests(t *testing.T) {
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			base := alike(objectsOf(t, kustomized(t, way.components...)))
			chart := alike(objectsOf(t, charted(t, "leaktrace", way.values)))
			if diff := cmp.Diff(base, chart); diff != "" {
				t.Errorf("-kustomize +chart\n%s", diff)
			}
		})
	}
}

func TestPodsAreNotPrivileged(t *testing.T) {
	pod := at(objectsOf(t, kustomized(t))["DaemonSet leaktrace"], "spec", "template", "spec")
	want := object{
		"allowPrivilegeEscalation": false,
		"readOnlyRootFilesystem":   true,
		"runAsUser":                float64(0),
		"runAsGroup":               float64(0),
		"capabilities": object{
			"drop": []any{"ALL"},
			"add":  []any{"BPF", "PERFMON", "SYS_PTRACE", "DAC_READ_SEARCH"},
		},
		"appArmorProfile": object{"type": "Unconfined"},
	}
	if diff := cmp.Diff(want, at(pod, "containers", 0, "securityContext")); diff != "" {
		t.Error(diff)
	}
	if containers := at(pod, "containers").([]any); len(containers) != 1 {
		t.Errorf("%d containers, want 1", len(containers))
	}
	var paths []string
	for _, volume := range at(pod, "volumes").([]any) {
		if path, ok := at(volume, "hostPath", "path").(string); ok {
			paths = append(paths, path)
		}
	}
	if diff := cmp.Diff([]string{"/sys/fs/cgroup"}, paths); diff != "" {
		t.Errorf("directories of the node: %s", diff)
	}
	if at(pod, "hostNetwork") != nil || at(pod, "hostIPC") != nil {
		t.Error("the pod shares more than process ids with the node")
	}
}

// Another release must not take objects of the first, nor its pods.
func TestReleasesAreApart(t *testing.T) {
	first, second := objectsOf(t, charted(t, "leaktrace", "")), objectsOf(t, charted(t, "other", ""))
	if len(first) != len(second) {
		t.Errorf("%d objects, and %d of another release", len(first), len(second))
	}
	for name := range second {
		if _, ok := first[name]; ok {
			t.Errorf("both releases have %s", name)
		}
	}
	selectors := []any{
		at(second["DaemonSet other-leaktrace"], "spec", "selector", "matchLabels"),
		at(second["Service other-leaktrace"], "spec", "selector"),
	}
	for _, selector := range selectors {
		want := object{"app.kubernetes.io/name": "leaktrace", "app.kubernetes.io/instance": "other"}
		if diff := cmp.Diff(want, selector); diff != "" {
			t.Error(diff)
		}
	}
}

func TestChartTakesAConfiguration(t *testing.T) {
	objects := objectsOf(t, charted(t, "leaktrace", "config: |\n  interval: 5s\nargs: [--namespace=shop]"))
	if got := at(objects["ConfigMap leaktrace"], "data", "leaktrace.yml"); got != "interval: 5s\n" {
		t.Errorf("the file is %q", got)
	}
	args, _ := at(objects["DaemonSet leaktrace"], "spec", "template", "spec", "containers", 0, "args").([]any)
	if len(args) == 0 || args[len(args)-1] != "--namespace=shop" {
		t.Errorf("the arguments are %v", args)
	}
}

// The operator's objects are no part of Kubernetes' schemas: its own types are.
func TestOperatorsObjects(t *testing.T) {
	objects := objectsOf(t, charted(t, "leaktrace", "serviceMonitor: {enabled: true, endpoint: {scheme: https}}\nprometheusRule: {enabled: true, labels: {role: alerts}}\ndashboard: {enabled: true}"))

	var monitor monitoring.ServiceMonitor
	strict(t, objects["ServiceMonitor leaktrace"], &monitor)
	if e := monitor.Spec.Endpoints; len(e) != 1 || !e[0].HonorLabels || e[0].Port != "metrics" {
		t.Errorf("the endpoints are %+v", e)
	}
	service := objects["Service leaktrace"]
	for label, value := range monitor.Spec.Selector.MatchLabels {
		if at(service, "metadata", "labels", label) != value {
			t.Errorf("the monitor selects %s=%s, which the Service has not", label, value)
		}
	}

	var rules monitoring.PrometheusRule
	strict(t, objects["PrometheusRule leaktrace"], &rules)
	alerts := object{}
	must(t, yaml.Unmarshal(readFile(t, "prometheus/alerts.yml"), &alerts))
	if diff := cmp.Diff(alerts, at(objects["PrometheusRule leaktrace"], "spec")); diff != "" {
		t.Errorf("-alerts.yml +chart\n%s", diff)
	}
	dashboard, _ := at(objects["ConfigMap leaktrace-dashboard"], "data", "leaktrace.json").(string)
	if dashboard != string(readFile(t, "grafana/leaktrace.json")) {
		t.Error("the chart's dashboard is not grafana/leaktrace.json")
	}
}

// A monitor without the password would make LeaktraceDown of every node.
func TestMonitorLogsIn(t *testing.T) {
	var monitor monitoring.ServiceMonitor
	strict(t, objectsOf(t, kustomized(t, "tls", "servicemonitor-tls"))["ServiceMonitor leaktrace"], &monitor)
	endpoint := monitor.Spec.Endpoints[0]
	if endpoint.Scheme != "https" || endpoint.TLSConfig == nil || endpoint.BasicAuth == nil {
		t.Errorf("the endpoint is %+v", endpoint)
	}
}

var update = flag.Bool("update", false, "rewrite what is made of other files")

// TestRulesComponent needs make rules where it fails.
func TestRulesComponent(t *testing.T) {
	const file = "kubernetes/prometheusrule/prometheusrule.yaml"
	var want strings.Builder
	want.WriteString("# Made of prometheus/alerts.yml by make rules.\napiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n" +
		"metadata:\n  name: leaktrace\n  namespace: leaktrace\n  labels:\n" +
		"    app.kubernetes.io/name: leaktrace\n    app.kubernetes.io/instance: leaktrace\nspec:\n")
	for line := range strings.Lines(string(readFile(t, "prometheus/alerts.yml"))) {
		want.WriteString(strings.TrimRight("  "+line, " \n") + "\n")
	}
	if *update {
		must(t, os.WriteFile(shipped(t, file), []byte(want.String()), 0o644))
	}
	if diff := cmp.Diff(want.String(), string(readFile(t, file))); diff != "" {
		t.Errorf("the rules are not those of alerts.yml: run make rules\n%s", diff)
	}
}

// strict decodes an object into a type, which has to know every field.
func strict(t *testing.T, o object, into any) {
	t.Helper()
	text, err := yaml.Marshal(o)
	must(t, err)
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Error(strings.TrimSpace(err.Error()))
	}
}
