package deploy

import (
	"testing"

	"sigs.k8s.io/yaml"
)

// alertCase is one line of alerts_test.yml: an alert that fires at a time, or not.
type alertCase struct {
	name  string
	fires bool
}

// alertCases reads what alerts_test.yml tests, and the names in alerts.yml.
func alertCases(t *testing.T) (cases []alertCase, alerts []string) {
	t.Helper()
	var tests struct {
		Tests []struct {
			Cases []struct {
				Name   string   `json:"alertname"`
				Alerts []object `json:"exp_alerts"`
			} `json:"alert_rule_test"`
		}
	}
	must(t, yaml.Unmarshal(readFile(t, "prometheus/alerts_test.yml"), &tests))
	for _, test := range tests.Tests {
		for _, c := range test.Cases {
			cases = append(cases, alertCase{c.Name, len(c.Alerts) > 0})
		}
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert string }
		}
	}
	must(t, yaml.Unmarshal(readFile(t, "prometheus/alerts.yml"), &rules))
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
		}
	}
	if len(alerts) == 0 {
		t.Fatal("alerts.yml has no alerts")
	}
	return cases, alerts
}
