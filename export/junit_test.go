package export

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// judged is a report in which most verdicts and suppressions occur.
func judged() *Report {
	r := watch(services(), 15, lossy)
	for i, s := range r.Sites {
		switch s.Fingerprint {
		case "77e1":
			r.Sites[i].State, r.Sites[i].Reason = verdict.Suspect, "grew by 5 in 10s"
		case "c0df":
			r.Sites[i].State, r.Sites[i].Reason = verdict.Unknown, "not enough evidence yet"
		}
	}
	r.Suppress([]Suppression{
		{3, "close-wait", "Db::*", "the driver closes when idle, see #123"},
		{4, "thread", "*::start(*)", "one flusher per shard"},
		{9, "*", "Legacy\x1b*", "gone <since> 2.0"},
	})
	return r
}

// ciReports are the cases of what CI reads.
func ciReports() map[string]*Report {
	odd := services()[0]
	odd.Stack = stack(0, symbol.Frame{Function: "a]]>b<c>&\"d\x00\ufffe", Module: app, Address: 1})
	odd.Fingerprint = "f\n1"
	reports := reports()
	return map[string]*Report{
		"nothing": reports["nothing"], "hostile": reports["hostile"], "judged": reports["judged"], "past": reports["past"],
		"odd": watch([]tracer.Site{odd}, 15, clean),
	}
}

func TestJUnitGolden(t *testing.T) {
	for name, r := range ciReports() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := r.WriteJUnit(&out); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".junit.xml", out.Bytes())
		})
	}
}

// outcome is a test as CI servers read it.
type outcome struct {
	Name  string `xml:"name,attr"`
	Class string `xml:"classname,attr"`
	Error *struct {
		Message string `xml:"message,attr"`
	} `xml:"error"`
	Failure *struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	} `xml:"failure"`
	Skipped *struct {
		Message string `xml:"message,attr"`
	} `xml:"skipped"`
	Out string `xml:"system-out"`
}

// said is the one thing that a test says, after how it ended.
func (o outcome) said() string {
	switch {
	case o.Error != nil:
		return "error: " + o.Error.Message
	case o.Failure != nil:
		return "failed: " + o.Failure.Message
	case o.Skipped != nil:
		return "skipped: " + o.Skipped.Message
	}
	return "passed: " + o.Out
}

type readSuite struct {
	Tests    int       `xml:"tests,attr"`
	Failures int       `xml:"failures,attr"`
	Errors   int       `xml:"errors,attr"`
	Skipped  int       `xml:"skipped,attr"`
	Cases    []outcome `xml:"testcase"`
	Out      string    `xml:"system-out"`
	Err      string    `xml:"system-err"`
}

// readJUnit reads XML as strictly as encoding/xml can.
func readJUnit(t *testing.T, r *Report) readSuite {
	t.Helper()
	var out bytes.Buffer
	if err := r.WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	var document struct {
		Suites []readSuite `xml:"testsuite"`
	}
	if err := xml.NewDecoder(&out).Decode(&document); err != nil || len(document.Suites) != 1 {
		t.Fatalf("%d suites, error %v", len(document.Suites), err)
	}
	return document.Suites[0]
}

func TestJUnitOutcomes(t *testing.T) {
	suite := readJUnit(t, judged())
	got := map[string]string{}
	for _, c := range suite.Cases {
		got[strings.TrimPrefix(c.Class, "leaktrace.")+" "+c.Name] = c.said()
	}
	want := map[string]string{
		"run tracing orders": "passed: ",
		"thread std::thread::_State_impl<>::start() [77e0]": "skipped: suppressed: one flusher per shard",
		"thread Pool::grow() [77e1]":                        "passed: suspect: grew by 5 in 10s",
		"thread (before tracing: timer-N) [77e2]":           "passed: ",
		"unjoined-thread Audit::log_async [90aa]":           "failed: 12 of 15 not joined for 3s or longer",
		"zombie Thumbnailer::spawn() [b1a6]":                "failed: 12 of 15 not reaped for 3s or longer",
		"zombie libacme.so.2+0x1c2f0 [b1a7]":                "failed: 3 of 3 not reaped for 3s or longer",
		"close-wait Db::connect() [c0de]":                   "skipped: suppressed: the driver closes when idle, see #123",
		"close-wait Health::probe() [c0df]":                 "passed: unknown: not enough evidence yet",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if suite.Tests != 9 || suite.Failures != 3 || suite.Skipped != 2 || suite.Errors != 0 {
		t.Errorf("wrong counts: %+v", suite)
	}
	for _, part := range []string{"3 sites leak in orders", `unused suppression, line 9: * Legacy\x1b* # gone <since> 2.0`} {
		if !strings.Contains(suite.Out, part) {
			t.Errorf("%q is not in the suite's output:\n%s", part, suite.Out)
		}
	}
	if !strings.Contains(suite.Err, "1,417 x ring full") {
		t.Errorf("losses are not in the suite's errors:\n%s", suite.Err)
	}
}

// What a target puts into names must come out as text, whole.
func TestJUnitOfHostileNames(t *testing.T) {
	suite := readJUnit(t, ciReports()["odd"])
	c := suite.Cases[1]
	const function = `a]]>b<c>&"d\x00\xef\xbf\xbe`
	if want := `a]]>b<>&"d\x00\xef\xbf\xbe [f\x0a1]`; c.Name != want {
		t.Errorf("name %q, want %q", c.Name, want)
	}
	if c.Failure == nil || !strings.Contains(c.Failure.Text, "-> "+function+" (orders)\n") {
		t.Errorf("the stack does not show %s: %+v", function, c.Failure)
	}
}

func TestJUnitWriteErrorsAreReported(t *testing.T) {
	for name, r := range ciReports() {
		if err := r.WriteJUnit(fullDisk{}); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
