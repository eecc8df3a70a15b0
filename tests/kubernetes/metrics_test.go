package kubernetes

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// labels are the labels of a series that matter; a value that begins with ~ is a
// regular expression.
type labels map[string]string

type series struct {
	name   string
	labels labels
}

// get fetches what leaktrace serves.
func get(path string) (string, error) {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get("http://127.0.0.1:19435" + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", response.Status)
	}
	return string(body), err
}

// sample is a series with its value.
type sample struct {
	series
	value float64
}

func scrape() ([]sample, error) {
	body, err := get("/metrics")
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	var out []sample
	for name, family := range families {
		for _, m := range family.Metric {
			out = append(out, sample{series{name, labelsOf(m)}, m.GetGauge().GetValue() + m.GetCounter().GetValue()})
		}
	}
	return out, nil
}

func labelsOf(m *dto.Metric) labels {
	out := make(labels)
	for _, l := range m.Label {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

// has is an error unless there is such a series of at least this value; of value 0
// it must be.
func has(want series, least float64) error {
	found, err := scrape()
	if err != nil {
		return err
	}
	var near []string
	for _, s := range found {
		if s.name != want.name {
			continue
		}
		near = append(near, fmt.Sprintf("%v %g", s.labels, s.value))
		if want.labels.match(s.labels) && s.value >= least && (least > 0 || s.value == 0) {
			return nil
		}
	}
	return fmt.Errorf("no %s with %v and %g; there are\n%s", want.name, want.labels, least, strings.Join(near, "\n"))
}

func (want labels) match(got labels) bool {
	for name, value := range want {
		if pattern, ok := strings.CutPrefix(value, "~"); ok {
			if !regexp.MustCompile(pattern).MatchString(got[name]) {
				return false
			}
		} else if got[name] != value {
			return false
		}
	}
	return true
}

// podLogs is what the containers of a namespace have said.
func (c *cluster) podLogs(namespace string) string {
	var out strings.Builder
	files, _ := filepath.Glob(c.path("logs/" + namespace + "_*/*/*.log")) // the pattern is well formed
	for _, file := range files {
		text, err := os.ReadFile(file)
		fmt.Fprintf(&out, "%s: %s %v\n", file, text, err)
	}
	return out.String()
}
