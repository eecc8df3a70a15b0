package export

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// The elements of a JUnit file that all its readers know. All text in them is
// escaped, which also makes it valid XML.
type (
	junitSuites struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Time     string   `xml:"time,attr"`
		Suite    junitSuite
	}
	junitSuite struct {
		XMLName   xml.Name    `xml:"testsuite"`
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
		Out       *junitText  `xml:"system-out"`
		Err       *junitText  `xml:"system-err"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		Time      string        `xml:"time,attr"`
		Error     *junitOutcome `xml:"error"`
		Failure   *junitOutcome `xml:"failure"`
		Skipped   *junitOutcome `xml:"skipped"`
		Out       *junitText    `xml:"system-out"`
	}
	junitOutcome struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
	// junitText is readable in the file too: without CDATA each end of a line
	// would be a character reference.
	junitText struct {
		Text string `xml:",cdata"`
	}
)

// WriteJUnit writes the report as JUnit XML: one test for each site, and one
// for the run, which passes unless the recording of it is damaged. Leaking sites
// fail, suppressed ones are skipped, all others pass.
func (r *Report) WriteJUnit(w io.Writer) error {
	suite := r.junitSuite()
	document := junitSuites{
		Name: suite.Name, Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time, Suite: suite,
	}
	out := bufio.NewWriter(w)
	_, _ = out.WriteString(xml.Header) // the error stays for Flush
	e := xml.NewEncoder(out)
	e.Indent("", "  ")
	if err := e.Encode(document); err != nil {
		return err
	}
	_ = out.WriteByte('\n')
	return out.Flush()
}

func (r *Report) junitSuite() junitSuite {
	s := junitSuite{
		Name:      "leaktrace",
		Time:      fmt.Sprintf("%.3f", r.DurationS),
		Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"), // no zone: some readers refuse one
		Cases: []junitCase{{
			Name: "tracing " + Escape(r.Target.Comm), ClassName: "leaktrace.run", Time: fmt.Sprintf("%.3f", r.DurationS),
		}},
		Out: &junitText{r.junitBody(r.writeRun)},
	}
	if damage := r.Damage(); damage != "" {
		// Sites that leak may be among what is missing, and they would have failed.
		s.Cases[0].Error, s.Errors = &junitOutcome{Type: "damaged", Message: "the recording is " + damage}, 1
	}
	if r.lossy() {
		s.Err = &junitText{r.junitBody(r.writeLosses)}
	}
	for i, site := range r.Sites {
		c := r.junitCase(i+1, site)
		if c.Failure != nil {
			s.Failures++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
	s.Tests = len(s.Cases)
	return s
}

// writeRun is what the text report says of the run as a whole.
func (r *Report) writeRun(t text) {
	r.writeHeadline(t)
	t.sentence("", "%s", r.qualityLine())
	for _, p := range r.UnusedSuppressions {
		t.line("%s", p.unused())
	}
}

func (r *Report) junitBody(write func(text)) string {
	var out bytes.Buffer
	t := text{bufio.NewWriter(&out), r, TextOptions{}}
	write(t)
	_ = t.Flush() // a buffer takes all
	return "\n" + strings.TrimLeft(out.String(), "\n")
}

// junitCase names a site so that a CI server finds it again in the next run:
// by function and fingerprint, not by line. The fingerprint tells apart what
// the shortened names do not.
func (r *Report) junitCase(n int, s Site) junitCase {
	name := s.nameless()
	if s.SiteFrame >= 0 {
		name = collapse(Escape(frameName(s.Stack[s.SiteFrame])))
	}
	c := junitCase{
		Name:      fmt.Sprintf("%s [%s]", name, Escape(s.Fingerprint)),
		ClassName: "leaktrace." + Escape(string(s.Kind)),
		Time:      "0.000",
	}
	switch {
	case s.Suppressed != "":
		c.Skipped = &junitOutcome{Message: "suppressed: " + Escape(s.Suppressed)}
	case s.Leaking:
		c.Failure = &junitOutcome{
			Type: string(s.State), Message: Escape(s.Reason), Text: r.junitBody(func(t text) { t.detail(fmt.Sprintf("[%d] ", n), s) }),
		}
	case s.State == verdict.Suspect || s.State == verdict.Unknown:
		c.Out = &junitText{fmt.Sprintf("%s: %s", s.State, Escape(s.Reason))}
	}
	return c
}
