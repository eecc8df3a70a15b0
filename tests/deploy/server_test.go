package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/yaml"
)

// alert is what Alertmanager tells a receiver.
type alert struct {
	Status              string
	Labels, Annotations map[string]string
}

// receiver is where alerts arrive in the end: at a person, or here.
type receiver struct {
	url string

	mu     sync.Mutex
	alerts []alert
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		var message struct{ Alerts []alert }
		if json.NewDecoder(request.Body).Decode(&message) == nil {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.alerts = append(r.alerts, message.Alerts...)
		}
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// firing finds an alert that has arrived, by its name and other labels.
func (r *receiver) firing(name string, labels map[string]string) (alert, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
next:
	for _, a := range r.alerts {
		names = append(names, a.Labels["alertname"])
		if a.Labels["alertname"] != name || a.Status != "firing" {
			continue
		}
		for label, value := range labels {
			if a.Labels[label] != value {
				continue next
			}
		}
		return a, nil
	}
	return alert{}, fmt.Errorf("no %s %v; there are %v", name, labels, names)
}

// startAlertmanager sends all alerts to a receiver, one by one.
func startAlertmanager(t *testing.T, r *receiver) (address string) {
	t.Helper()
	dir := t.TempDir()
	address = freeAddress(t)
	config := writeFile(t, dir, "alertmanager.yml", fmt.Appendf(nil,
		"route: {receiver: test, group_by: ['...'], group_wait: 0s, group_interval: 1s}\n"+
			"receivers: [{name: test, webhook_configs: [{url: %q}]}]\n", r.url))
	start(t, "prometheus-alertmanager", "--config.file="+config, "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=")
	eventually(t, "alertmanager", ready("http://"+address))
	return address
}

// startPrometheus scrapes a leaktrace as the hosts' job of scrape.yml does, with
// the rules of alerts.yml. Of both only addresses, files and durations differ.
func startPrometheus(t *testing.T, w *web, alertmanager string) (server string) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, dir, "alerts.yml", hasten(readFile(t, "prometheus/alerts.yml")))
	job := hostsJob(t)
	job["static_configs"] = []object{{
		"targets": []string{w.address},
		// As a Kubernetes service discovery would, which must not hide whose the leak is.
		"labels": object{"namespace": "monitoring", "pod": "leaktrace-x"},
	}}
	job["tls_config"] = object{"ca_file": w.ca}
	job["basic_auth"] = object{"username": user, "password_file": w.password}
	config, err := yaml.Marshal(object{
		"global":         object{"scrape_interval": "1s", "evaluation_interval": "1s"},
		"rule_files":     []string{"alerts.yml"},
		"scrape_configs": []object{job},
		"alerting":       object{"alertmanagers": []object{{"static_configs": []object{{"targets": []string{alertmanager}}}}}},
	})
	must(t, err)
	file := writeFile(t, dir, "prometheus.yml", config)
	run(t, "promtool", "check", "config", file)
	address := freeAddress(t)
	start(t, "prometheus", "--config.file="+file, "--storage.tsdb.path="+dir, "--web.listen-address="+address)
	eventually(t, "prometheus", ready("http://"+address))
	return "http://" + address
}

// hasten takes the waiting out of rules.
func hasten(rules []byte) []byte {
	seconds := strings.NewReplacer("[5m]", "[10s]", "[15m]", "[15s]", "[1h:1m]", "[60s:1s]")
	var quick []string
	for line := range strings.Lines(string(rules)) {
		if before, _, found := strings.Cut(line, "for: "); found && strings.TrimSpace(before) == "" {
			line = before + "for: 0s\n"
		}
		quick = append(quick, seconds.Replace(line))
	}
	return []byte(strings.Join(quick, ""))
}

// hostsJob is the job of scrape.yml for hosts.
func hostsJob(t *testing.T) object {
	t.Helper()
	var file struct {
		Jobs []object `json:"scrape_configs"`
	}
	must(t, yaml.Unmarshal(readFile(t, "prometheus/scrape.yml"), &file))
	for _, job := range file.Jobs {
		if job["job_name"] == "leaktrace-hosts" {
			return job
		}
	}
	t.Fatal("scrape.yml has no job leaktrace-hosts")
	return nil
}

func ready(server string) func() error {
	return func() error {
		response, err := http.Get(server + "/-/ready")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", response.Status)
		}
		return nil
	}
}

// sample is one series of a query's answer.
type sample struct {
	Metric map[string]string
}

// ask runs a query, for now or (with "series") for what there is.
func ask(server, query string) ([]sample, error) {
	response, err := http.Get(server + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []sample }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s", answer.Error)
	}
	return answer.Data.Result, nil
}
