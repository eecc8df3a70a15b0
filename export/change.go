package export

import (
	"fmt"
	"math"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// What it takes for two rates or counts to differ: a quarter at least, and for
// rates more than chance explains, in standard deviations of Poisson counts.
const (
	quarter    = 1.25
	deviations = 2
)

// enough is how many objects a run should have collected for their absence to
// mean something: with 3 expected, none at all is chance once in 20 times.
const enough = 3

// judge says what became of a site of a kind. A level is nil when nothing was
// outstanding in that run.
func (d *Diff) judge(kind tracer.Kind, before, after *Level) (Change, string) {
	switch {
	case after != nil && after.Suppressed != "":
		return Suppressed, after.Suppressed
	case before == nil && !looksFor(d.Old.Kinds, kind):
		return Unclear, fmt.Sprintf("%s; the old run did not look for this kind", after.verdict())
	case after == nil && !looksFor(d.New.Kinds, kind):
		return Unclear, "the new run did not look for this kind"
	case before == nil && d.Old.SitesMissing > 0:
		return Unclear, fmt.Sprintf("%s; it may be among the sites that are missing of the old run", after.verdict())
	case after == nil && d.New.SitesMissing > 0:
		return Unclear, "not seen, but it may be among the sites that are missing of the new run"
	case before == nil && d.tooShort(d.Old, d.New, after):
		return New, fmt.Sprintf("%s; the old run may have been too short to show it", after.verdict())
	case before == nil:
		return New, after.verdict()
	case after == nil && d.tooShort(d.New, d.Old, before):
		return Unclear, "not seen, but the new run may have been too short to show it"
	case after == nil:
		return Gone, fmt.Sprintf("was %s", before.State)
	case before.State == verdict.Unknown:
		return Unclear, fmt.Sprintf("%s; the old run had too little evidence", after.State)
	case after.State == verdict.Unknown:
		return Unclear, fmt.Sprintf("was %s; the new run has too little evidence", before.State)
	}
	return d.judgeBoth(before, after)
}

// judgeBoth compares two levels that both have a verdict.
func (d *Diff) judgeBoth(before, after *Level) (Change, string) {
	why := fmt.Sprintf("%s, was %s", after.State, before.State)
	switch {
	case after.severity() > before.severity():
		return Worse, why
	case after.severity() < before.severity() && d.tooShort(d.New, d.Old, before):
		return Unclear, why + "; the new run may have been too short to show it"
	case after.severity() < before.severity():
		return Better, why
	case after.severity() == 0:
		return Same, string(after.State)
	}
	change, why := d.compareRates(before, after)
	return change, fmt.Sprintf("%s as before, %s", after.State, why)
}

// tooShort tells whether a run, less than half as long as the one that showed a
// leak, had little chance to show it too.
func (d *Diff) tooShort(run, shown Run, leak *Level) bool {
	expected := leak.GrowthPerS * run.DurationS
	return leak.severity() > 0 && 2*run.DurationS < shown.DurationS && expected > 0 && expected < enough
}

// compareRates compares two leaks. What does not grow in either run is
// compared by number.
func (d *Diff) compareRates(before, after *Level) (Change, string) {
	slow, fast := max(0, before.GrowthPerS), max(0, after.GrowthPerS)
	gained, gains := slow*d.Old.DurationS, fast*d.New.DurationS
	if gained < 1 && gains < 1 {
		return compareCounts(before.Outstanding, after.Outstanding)
	}
	chance := deviations * math.Hypot(math.Sqrt(max(1, gained))/d.Old.DurationS, math.Sqrt(max(1, gains))/d.New.DurationS)
	change, why := Worse, "growing faster"
	switch {
	case !apart(slow, fast):
		return Same, "growing as fast"
	case math.Abs(fast-slow) <= chance:
		return Same, "and chance explains the difference"
	case gained < 1:
		why = "and growing now"
	case gains < 1:
		change, why = Better, "but no longer growing"
	case fast < slow:
		change, why = Better, "growing more slowly"
	}
	return change, why
}

func compareCounts(before, after int) (Change, string) {
	switch {
	case !apart(float64(before), float64(after)):
		return Same, "not growing"
	case after > before:
		return Worse, "not growing, but holding more"
	}
	return Better, "not growing, and holding less"
}

func apart(a, b float64) bool { return max(a, b) >= quarter*min(a, b) && a != b }

// verdict says what a run found.
func (l *Level) verdict() string { return string(l.State) + ": " + l.Reason }
