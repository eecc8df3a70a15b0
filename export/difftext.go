package export

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteText writes the difference for a person: what leaks more, what the runs
// were, a table of what leaks in either run, and what else came or went.
func (d *Diff) WriteText(w io.Writer, o TextOptions) error {
	t := text{bufio.NewWriter(w), nil, o}
	t.line("%s", d.headline())
	t.line("old: %s", d.Old)
	t.line("new: %s", d.New)
	for _, note := range d.notes() {
		t.line("note: %s", note)
	}
	var leaks, others []Pair
	for _, p := range d.Sites {
		switch {
		case p.severity() > 0:
			leaks = append(leaks, p)
		case p.Change != Same:
			others = append(others, p)
		}
	}
	t.pairs(leaks)
	if len(others) > 0 {
		t.line("\nleaking in neither")
		t.pairs(others)
	}
	if n := len(d.Sites) - len(leaks) - len(others); n > 0 {
		t.line("\n%s leaking in neither", plural(n, "site is in both and", "sites are in both and"))
	}
	return t.Flush()
}

// headline says first whether the new run is worse, and that it may not be true.
func (d *Diff) headline() string {
	if d.Old.damage != "" || d.New.damage != "" {
		return "of what is left of damaged recordings: " + d.change()
	}
	return d.change()
}

// change says whether the new run is worse.
func (d *Diff) change() string {
	more := d.count(New) + d.count(Worse)
	rest := d.counts(Unclear, Same, Better, Gone, Suppressed)
	headline := plural(more, "site leaks more than before: ", "sites leak more than before: ") + d.counts(New, Worse)
	switch {
	case more == 0 && rest == "":
		return "nothing leaks more than before"
	case more == 0:
		return "nothing leaks more than before: " + rest
	case rest == "":
		return headline
	}
	return headline + "; also " + rest
}

// counts says how many leaks changed in each of these ways.
func (d *Diff) counts(changes ...Change) string {
	var parts []string
	for _, c := range changes {
		if n := d.count(c); n > 0 {
			parts = append(parts, humanCount(n)+" "+string(c))
		}
	}
	return enumerate(parts)
}

// String describes a run in a line.
func (r Run) String() string {
	return fmt.Sprintf("%s, started %s, watched for %s",
		&r.Target, instant(r.Started), humanSpan(r.DurationS))
}

func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// notes say what keeps the runs from being compared well.
func (d *Diff) notes() (notes []string) {
	for _, n := range []struct {
		applies bool
		note    string
	}{
		{d.Old.Target.Comm != d.New.Target.Comm, "the runs traced programs of different names"},
		{d.New.Started.Before(d.Old.Started), "the new run started before the old one: are they the right way round?"},
		{d.Old.MinAgeS != d.New.MinAgeS, fmt.Sprintf("--min-age was %s and is %s, so the verdicts differ",
			humanSpan(d.Old.MinAgeS), humanSpan(d.New.MinAgeS))},
		{d.Old.damage != "", "the recording of the old run is " + d.Old.damage},
		{d.New.damage != "", "the recording of the new run is " + d.New.damage},
		{d.Old.Lossy, "the old run did not see everything: sites and counts may be missing"},
		{d.New.Lossy, "the new run did not see everything: sites and counts may be missing"},
	} {
		if n.applies {
			notes = append(notes, n.note)
		}
	}
	return notes
}

// pairs writes one row for each site, with the reason below it.
func (t text) pairs(pairs []Pair) {
	if len(pairs) == 0 {
		return
	}
	shown := pairs[:min(len(pairs), t.o.rows())]
	columns := []column{{title: "CHANGE"}, {title: "KIND"}, {"OUTSTANDING", true, nil}, {"GROWTH", true, nil}}
	sites := make([]Site, len(shown))
	for i, p := range shown {
		sites[i] = p.shown
		sites[i].Ended, sites[i].Replaced = false, false // of no interest: so they have in every run of a test
		for c, cell := range []string{string(p.Change), Escape(string(p.Kind)), p.counts(), p.rates()} {
			columns[c].cells = append(columns[c].cells, cell)
		}
	}
	columns = append(columns, siteColumn(sites, t.o.width()-width(columns)-len(gap)))
	var table bytes.Buffer
	rows := text{bufio.NewWriter(&table), nil, t.o}
	rows.rows(columns)
	_ = rows.Flush() // a buffer takes all
	t.line("")
	for i, row := range strings.Split(strings.TrimSpace(table.String()), "\n") {
		t.line("%s", row)
		if i > 0 {
			t.line("%s%s%s", strings.Repeat(" ", columns[0].width()), gap, Escape(shown[i-1].Why))
		}
	}
	t.more(len(pairs) - len(shown))
}

func (p Pair) counts() string {
	before, after := p.Old.orNothing(), p.New.orNothing()
	return humanCount(before.Outstanding) + " -> " + humanCount(after.Outstanding)
}

// rates shows both rates in one unit.
func (p Pair) rates() string {
	before, after := p.Old.orNothing().GrowthPerS, p.New.orNothing().GrowthPerS
	unit, seconds := growthUnit(max(before, -before, after, -after))
	if unit == "" {
		return "0"
	}
	return fmt.Sprintf("%s -> %s/%s", humanRate(before*seconds), humanRate(after*seconds), unit)
}
