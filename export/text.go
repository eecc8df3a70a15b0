package export

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// TextOptions fits the text report to a reader. The zero value suits a file.
type TextOptions struct {
	// Width is the number of columns to fit into; 0 means 100. Only stacks
	// and addresses, which must stay whole, may be wider.
	Width int
	// Rows is how many sites to list that do not leak, or in a block how many
	// sites at all; 0 means 20, in a block 10.
	Rows int
	// Samples is how many objects to show of each leaking site; 0 means 4.
	Samples int
	// Brief leaves out what does not leak, and of suspects all but the table: for
	// the log of a test.
	Brief bool
}

func (o TextOptions) width() int   { return max(60, cmp.Or(o.Width, 100)) }
func (o TextOptions) rows() int    { return cmp.Or(o.Rows, 20) }
func (o TextOptions) samples() int { return min(maxSamples, cmp.Or(o.Samples, 4)) }

// text writes lines; the buffered writer keeps the first error for the end.
type text struct {
	*bufio.Writer
	r *Report
	o TextOptions
}

func (t text) line(format string, args ...any) {
	fmt.Fprintf(t, format, args...)
	t.WriteByte('\n')
}

// WriteText writes the report for a person: the verdict, a table of all sites,
// then all there is to know of those that leak.
func (r *Report) WriteText(w io.Writer, o TextOptions) error {
	t := text{bufio.NewWriter(w), r, o}
	r.writeHeadline(t)
	leaking, suspect, others := r.split()
	if o.Brief {
		others = nil
	}
	t.part("", leaking, len(leaking))
	t.part("suspect", suspect, o.rows())
	t.part(innocence(others), others, o.rows())
	r.writeSuppressed(t)
	described := r.described(o)
	for i, s := range described {
		t.line("")
		t.detail(fmt.Sprintf("[%d] ", i+1), s)
	}
	t.near(described)
	if o.Brief && !r.lossy() && r.Sampling == nil {
		if len(r.Verified)+len(r.Notes) > 0 {
			t.line("")
			r.writeNotes(t)
		}
		return t.Flush()
	}
	r.writeFooter(t)
	return t.Flush()
}

// innocence is what is true of all sites that are neither leaking nor suspect.
func innocence(sites []Site) string {
	if slices.ContainsFunc(sites, func(s Site) bool { return s.State == verdict.Unknown }) {
		return "not leaking, or not enough evidence yet"
	}
	return "not leaking"
}

// part writes a table of sites below a title.
func (t text) part(title string, sites []Site, rows int) {
	if len(sites) == 0 {
		return
	}
	t.line("")
	if title != "" {
		t.line("%s", title)
	}
	shown := sites[:min(len(sites), rows)]
	t.table(shown, t.r.Sites)
	t.more(len(sites) - len(shown))
}

// How many sites are described in full that do not leak.
const (
	maxSuspects = 5
	maxOld      = 5
)

// described are the sites that are described in full: leaks, suspects, and live
// threads that are older than tracing, of which the table says next to nothing.
func (r *Report) described(o TextOptions) []Site {
	leaking, suspect, others := r.split()
	if o.Brief {
		return leaking
	}
	var old []Site
	for _, s := range others {
		if s.Kind == tracer.Thread && s.before() && len(s.Stack) == 0 {
			old = append(old, s)
		}
	}
	return slices.Concat(leaking, suspect[:min(len(suspect), maxSuspects)], old[:min(len(old), maxOld)])
}

// before tells that a site's objects are older than tracing.
func (s Site) before() bool { return len(s.Samples) > 0 && s.Samples[0].BeforeTracing }

// split parts the sites by what a reader has to do about them.
func (r *Report) split() (leaking, suspect, others []Site) {
	for _, s := range r.unsuppressed() {
		switch {
		case s.Leaking:
			leaking = append(leaking, s)
		case s.State == verdict.Suspect:
			suspect = append(suspect, s)
		default:
			others = append(others, s)
		}
	}
	return leaking, suspect, others
}

func (t text) more(n int) {
	if n > 0 {
		t.line("... and %s; --format json has them all", plural(n, "more site", "more sites"))
	}
}

// WriteBlock writes the state at the end of an interval: a time stamp and one
// row per site, never more than o.Rows of them.
func (r *Report) WriteBlock(w io.Writer, o TextOptions) error {
	t := text{bufio.NewWriter(w), r, o}
	end := r.Started.Add(time.Duration(r.DurationS * float64(time.Second)))
	t.line("%s  after %s: %s", end.Format("15:04:05"), humanSpan(r.DurationS), r.summary())
	if len(r.Sites) > 0 {
		shown := r.Sites[:min(len(r.Sites), cmp.Or(o.Rows, 10))]
		t.block(shown)
		t.more(len(r.Sites) - len(shown))
	}
	return t.Flush()
}

func (r *Report) summary() string {
	switch n := r.Leaking(); {
	case n > 0:
		return plural(n, "site leaks", "sites leak")
	case len(r.Sites) > 0:
		return r.clear()
	default:
		return "nothing outstanding"
	}
}

// clear is the verdict where no site is accused: no more than what is known.
func (r *Report) clear() string {
	kinds := listed(r.Kinds, "or")
	if kinds != "" {
		kinds += " "
	}
	switch {
	case r.Damage() != "":
		return "cannot tell whether anything leaks"
	case len(r.suppressed()) > 0:
		return "only suppressed " + kinds + "leaks found"
	}
	return "no " + kinds + "leak found"
}

// headline is the verdict in one line.
func (r *Report) headline() string {
	target, said := fmt.Sprintf("in %s (pid %d)", Escape(r.Target.Comm), r.Target.PID), r.clear()
	if r.Node != "" {
		target = "on " + Escape(r.Node)
	}
	if r.Leaking() > 0 {
		said = r.summary()
	}
	return fmt.Sprintf("%s %s, watched for %s", said, target, humanSpan(r.DurationS))
}

func (r *Report) writeHeadline(t text) {
	leaking, suspect, _ := r.split()
	t.sentence("", "%s", r.headline())
	if damage := r.Damage(); damage != "" {
		t.sentence("", "the recording is %s", damage)
	}
	if len(leaking) > 0 {
		t.sentence("", "not given back: %s", enumerate(countKinds(leaking)))
	} else {
		r.writeDoubts(t, len(suspect))
	}
	if n := r.Unjudged; n > 0 {
		t.sentence("", "%s younger than --min-age %s when %s process ended or called exec: not judged; give a shorter --min-age",
			plural(n, "object was", "objects were"), humanSpan(r.MinAgeS), whose(n))
	}
	for _, l := range r.OwnLimits {
		t.sentence("", "%s", l.line())
	}
}

func whose(n int) string {
	if n == 1 {
		return "its"
	}
	return "their"
}

// writeDoubts says what to mind when no leak was found.
func (r *Report) writeDoubts(t text, suspect int) {
	if suspect > 0 {
		t.sentence("", "but %s", plural(suspect, "site is suspect", "sites are suspect"))
	}
	if r.lossy() {
		t.sentence("", "but not everything was seen: the losses are below")
	}
	if r.DurationS < r.MinAgeS {
		t.sentence("", "that is less than --min-age %s: nothing could grow old enough", humanSpan(r.MinAgeS))
	}
}

// countKinds says how many objects of each kind the sites hold.
func countKinds(sites []Site) (counts []string) {
	for _, kind := range tracer.Kinds() {
		n := 0
		for _, s := range sites {
			if s.Kind == kind {
				n += s.Outstanding
			}
		}
		if n > 0 {
			counts = append(counts, plural(n, words[kind].one, words[kind].many))
		}
	}
	return counts
}

func (r *Report) writeFooter(t text) {
	t.line("")
	t.sentence("", "%s", r.qualityLine())
	r.writeSampling(t)
	r.writeNotes(t)
	r.writeLosses(t)
	o := r.Overhead
	cost := fmt.Sprintf("leaktrace used %.2fs of CPU", o.CPUSeconds)
	// Of a shorter run most is the start, which says nothing.
	if r.DurationS >= 1 {
		cost += fmt.Sprintf(" (%.1f%% of one)", 100*o.CPUSeconds/r.DurationS)
	}
	cost += " and " + humanBytes(o.RSSBytes) + " of memory"
	if runs, ns := o.inKernel(); runs > 0 {
		cost += fmt.Sprintf(";\nits BPF programs ran %s times, %.2f us each", humanCount(runs), ns/float64(runs)/1000)
	}
	t.line("%s", cost)
}

// inKernel sums up the programs.
func (o Overhead) inKernel() (runs uint64, ns float64) {
	for _, p := range o.Programs {
		runs += p.Runs
		ns += float64(p.Runs) * p.NsPerRun
	}
	return runs, ns
}

func (r *Report) qualityLine() string {
	var total uint64
	var parts []string
	for _, q := range []tracer.Quality{
		tracer.Complete, tracer.FPUsed, tracer.Truncated, tracer.NoMapping, tracer.NoStack,
	} {
		if n := r.StackQuality[q]; n > 0 {
			total += n
			parts = append(parts, humanCount(n)+" "+string(q))
		}
	}
	if total == 0 {
		return "no stacks captured"
	}
	return fmt.Sprintf("%s stacks captured: %s", humanCount(total), strings.Join(parts, ", "))
}

// writeSampling says what is not known of a flood.
func (r *Report) writeSampling(t text) {
	if n := r.Sampling; n != nil {
		t.sentence("", "sampled 1 in %s at times, where a process created more than 50,000 objects in a second: "+
			"%s no stack, and the counts of each site are lower bounds",
			humanCount(n.OneIn), plural(int(n.LeftOut), "object has", "objects have"))
	}
}

func (r *Report) lossy() bool {
	for _, n := range r.Lost {
		if n > 0 {
			return true
		}
	}
	return false
}

func (r *Report) writeLosses(t text) {
	if !r.lossy() {
		t.line("nothing was lost")
		return
	}
	t.line("not everything was seen, so sites and counts may be missing:")
	for _, name := range slices.Sorted(maps.Keys(r.Lost)) {
		if n := r.Lost[name]; n > 0 {
			plain := strings.NewReplacer("_", " ", "-", " ").Replace(name)
			t.line("  %s x %s", humanCount(n), Escape(plain))
		}
	}
}
