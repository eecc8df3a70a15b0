package export

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadReport(t *testing.T) {
	for name, want := range reports() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := want.WriteJSON(&out); err != nil {
				t.Fatal(err)
			}
			got, err := ReadReport(&out)
			if err != nil {
				t.Fatal(err)
			}
			if name == "hostile" {
				return // JSON has no bytes that are not UTF-8
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Site{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// report is a report with one site, in which a field can be replaced.
func report(old, new string) string {
	const whole = `{"version": 1, "target": {"pid": 1, "comm": "a"}, "started": "2026-11-03T09:30:00Z",
"duration_s": 15, "min_age_s": 10, "sites": [
  {"fingerprint": "f", "kind": "thread", "state": "leaking", "outstanding": 3, "growth_per_s": 0.5, "site_frame": 0, "stack": [{}]}
]}`
	if strings.Count(whole, old) != 1 {
		panic(old)
	}
	return strings.Replace(whole, old, new, 1)
}

func TestReadReportOfANewerWriter(t *testing.T) {
	for _, text := range []string{
		report(`"version"`, `"colour": ["blue"], "version"`),
		report(`"fingerprint"`, `"samples": [{"mood": 1}], "fingerprint"`),
		report(`"thread"`, `"timer"`),
	} {
		if r, err := ReadReport(strings.NewReader(text)); err != nil || len(r.Sites) != 1 {
			t.Errorf("error %v of\n%s", err, text)
		}
	}
}

func TestReadReportRefuses(t *testing.T) {
	const missing = "not a report of leaktrace run --format json: version or sites are missing"
	tests := map[string]struct{ text, want string }{
		"empty":        {"", "the file is empty"},
		"text report":  {"no leak found", "neither a recording of leaktrace nor a report in JSON"},
		"list":         {"\n [1]", "neither a recording of leaktrace nor a report in JSON"},
		"other object": {`{"a": 1}`, missing},
		"null":         {"null", "neither a recording of leaktrace nor a report in JSON"},
		"no sites":     {report(`"sites"`, `"places"`), missing},
		"null sites":   {`{"version": 1, "sites": null}`, missing},
		"cut":          {report("\n]}", "")[:150], "line 3, column 19: the file ends too early, expected a whole JSON document"},
		"syntax":       {report(`"state": `, `"state" `), "line 3, column 50: expected JSON: invalid character '\"' after object key"},
		"more":         {report("\n]}", "\n]} {}"), "line 4, column 4: expected JSON: invalid character '{' after top-level value"},
		"version":      {report(`"version": 1`, `"version": 2`), "the report has version 2, expected 1; use the leaktrace that wrote it"},
		"version type": {report(`"version": 1`, `"version": "1"`), "line 1, column 15: version: expected a whole number (int), found string"},
		"type":         {report(`"outstanding": 3`, `"outstanding": "3"`), "line 3, column 79: sites.outstanding: expected a whole number (int), found string"},
		"float":        {report(`"outstanding": 3`, `"outstanding": 3.5`), "line 3, column 79: sites.outstanding: expected a whole number (int), found number 3.5"},
		"time":         {report("2026-11-03T09:30:00Z", "today"), `started: expected a time such as 2006-01-02T15:04:05Z: parsing time "today" as "2006-01-02T15:04:05Z07:00": cannot parse "today" as "2006"`},
		"time type":    {report(`"2026-11-03T09:30:00Z"`, "5"), "started: expected a time such as 2006-01-02T15:04:05Z: Time.UnmarshalJSON: input is not a JSON string"},
		"overflow":     {report("0.5", "1e999"), "line 3, column 100: sites.growth_per_s: expected a number, found number 1e999"},
		"duration":     {report(`"duration_s": 15`, `"duration_s": -1`), "duration_s: expected a number from 0 to 9e+09, found -1"},
		"min age":      {report(`"min_age_s": 10`, `"min_age_s": 1e300`), "min_age_s: expected a number from 0 to 9e+09, found 1e+300"},
		"state":        {report("leaking", "dripping"), `sites[0].state: expected one of ["leaking" "suspect" "unknown" "steady" "draining"], found "dripping"`},
		"kind":         {report(`"thread"`, `""`), "sites[0].kind: expected a string that is not empty"},
		"fingerprint":  {report(`"f"`, `""`), "sites[0].fingerprint: expected a string that is not empty"},
		"count":        {report(`"outstanding": 3`, `"outstanding": -3`), "sites[0].outstanding: expected a number from 0 to 1.099511627776e+12, found -3"},
		"rate":         {report("0.5", "-1e300"), "sites[0].growth_per_s: expected a number from -1e+09 to 1e+09, found -1e+300"},
		"frame":        {report(`"site_frame": 0`, `"site_frame": 1`), "sites[0].site_frame: expected a number from -1 to 0, found 1"},
		"no frame":     {report(`"site_frame": 0`, `"site_frame": -2`), "sites[0].site_frame: expected a number from -1 to 0, found -2"},
		"deep":         {`{"a": ` + strings.Repeat("[", 20_000), "line 1, column 10006: expected JSON: invalid character '[' exceeded max depth"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ReadReport(strings.NewReader(tt.text))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := ReadReport(iotest.ErrReader(errFull)); !errors.Is(err, errFull) {
		t.Errorf("read error lost: %v", err)
	}
	if _, err := parseReport(make([]byte, 2<<20), 1<<20); err == nil || err.Error() != "larger than 1.0 MiB" {
		t.Errorf("error %v of a huge file", err)
	}
}

func FuzzReadReport(f *testing.F) {
	f.Add([]byte(report("leaking", "leaking")))
	for _, r := range reports() {
		var whole bytes.Buffer
		if err := r.WriteJSON(&whole); err != nil {
			f.Fatal(err)
		}
		f.Add(whole.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ReadReport(bytes.NewReader(raw))
		if err != nil {
			return
		}
		var out bytes.Buffer
		for _, format := range DiffFormats() {
			if err := NewDiff(r, r).Write(&out, format); err != nil {
				t.Error(err)
			}
		}
		for _, format := range Formats() {
			if err := r.Write(&out, format); err != nil && format != "pprof" && format != "ltz" {
				t.Error(err)
			}
		}
	})
}
