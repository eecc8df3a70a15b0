package export

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// level is a site as a run of the table below found it; nil if it did not.
func level(state verdict.State, outstanding int, perHour float64) *Level {
	return &Level{State: state, Reason: "because", Outstanding: outstanding, GrowthPerS: perHour / 3600}
}

func TestJudgeChange(t *testing.T) {
	const hour, day = 3600, 86400
	const short = "; the new run may have been too short to show it"
	tests := map[string]struct {
		oldRun, newRun float64
		before, after  *Level
		change         Change
		why            string
	}{
		"new leak":                      {hour, hour, nil, level(verdict.Leaking, 5, 5), New, "leaking: because"},
		"new pool":                      {hour, hour, nil, level(verdict.Steady, 8, 0), New, "steady: because"},
		"new, but slow":                 {60, day, nil, level(verdict.Leaking, 24, 1), New, "leaking: because; the old run may have been too short to show it"},
		"fixed":                         {hour, hour, level(verdict.Leaking, 2, 2), nil, Gone, "was leaking"},
		"fixed, seen in less time":      {hour, 1800, level(verdict.Leaking, 60, 60), nil, Gone, "was leaking"},
		"fixed, in a run about as long": {hour, 2000, level(verdict.Leaking, 2, 2), nil, Gone, "was leaking"},
		"fixed, or not yet":             {day, 60, level(verdict.Leaking, 24, 1), nil, Unclear, "not seen, but the new run may have been too short to show it"},
		"fixed, once at the start":      {day, 60, level(verdict.Leaking, 3, 0), nil, Gone, "was leaking"},
		"pool that is gone":             {hour, hour, level(verdict.Steady, 8, 0), nil, Gone, "was steady"},
		"begins to leak":                {hour, hour, level(verdict.Steady, 8, 0), level(verdict.Leaking, 60, 60), Worse, "leaking, was steady"},
		"begins to look like it":        {hour, hour, level(verdict.Draining, 8, -8), level(verdict.Suspect, 5, 5), Worse, "suspect, was draining"},
		"no longer leaks":               {hour, hour, level(verdict.Leaking, 60, 60), level(verdict.Steady, 8, 0), Better, "steady, was leaking"},
		"leaks less certainly":          {hour, hour, level(verdict.Leaking, 60, 60), level(verdict.Suspect, 8, 8), Better, "suspect, was leaking"},
		"no longer leaks, or not yet":   {day, 60, level(verdict.Leaking, 24, 1), level(verdict.Steady, 8, 0), Unclear, "steady, was leaking" + short},
		"nothing known now":             {hour, hour, level(verdict.Leaking, 60, 60), level(verdict.Unknown, 8, 0), Unclear, "was leaking; the new run has too little evidence"},
		"nothing known before":          {hour, hour, level(verdict.Unknown, 60, 60), level(verdict.Leaking, 8, 0), Unclear, "leaking; the old run had too little evidence"},
		"pools of other sizes":          {hour, hour, level(verdict.Steady, 8, 0), level(verdict.Steady, 800, 0), Same, "steady"},
		"as fast, for longer":           {hour, day, level(verdict.Leaking, 60, 60), level(verdict.Leaking, 1440, 60), Same, "leaking as before, growing as fast"},
		"twice as fast, more briefly":   {day, hour, level(verdict.Leaking, 1440, 60), level(verdict.Leaking, 120, 120), Worse, "leaking as before, growing faster"},
		"half as fast, for longer":      {hour, day, level(verdict.Leaking, 120, 120), level(verdict.Leaking, 1440, 60), Better, "leaking as before, growing more slowly"},
		"a fifth faster":                {day, day, level(verdict.Leaking, 2400, 100), level(verdict.Leaking, 2880, 120), Same, "leaking as before, growing as fast"},
		"faster by chance":              {hour, hour, level(verdict.Leaking, 5, 5), level(verdict.Leaking, 8, 8), Same, "leaking as before, and chance explains the difference"},
		"grows now":                     {hour, hour, level(verdict.Leaking, 5, 0), level(verdict.Leaking, 50, 50), Worse, "leaking as before, and growing now"},
		"grows no longer":               {hour, hour, level(verdict.Leaking, 50, 50), level(verdict.Leaking, 5, -1), Better, "leaking as before, but no longer growing"},
		"as many":                       {hour, day, level(verdict.Leaking, 12, 0), level(verdict.Leaking, 13, 0), Same, "leaking as before, not growing"},
		"more":                          {hour, hour, level(verdict.Leaking, 3, 0), level(verdict.Leaking, 4, 0), Worse, "leaking as before, not growing, but holding more"},
		"fewer":                         {hour, hour, level(verdict.Leaking, 4, 0), level(verdict.Leaking, 3, 0), Better, "leaking as before, not growing, and holding less"},
		"suspects":                      {hour, hour, level(verdict.Suspect, 60, 60), level(verdict.Suspect, 240, 240), Worse, "suspect as before, growing faster"},
		"one run without a duration":    {0, hour, level(verdict.Leaking, 3, 9), level(verdict.Leaking, 90, 90), Same, "leaking as before, and chance explains the difference"},
		"runs without a duration":       {0, 0, level(verdict.Leaking, 3, 9), level(verdict.Leaking, 3, 9), Same, "leaking as before, not growing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := Diff{Old: Run{DurationS: tt.oldRun}, New: Run{DurationS: tt.newRun}}
			if change, why := d.judge(tracer.Thread, tt.before, tt.after); change != tt.change || why != tt.why {
				t.Errorf("got %s, %q\nwant %s, %q", change, why, tt.change, tt.why)
			}
		})
	}
}

func TestSuppressedLeaksAreNotCompared(t *testing.T) {
	accepted := level(verdict.Leaking, 60, 60)
	accepted.Suppressed = "by design"
	d := Diff{Old: Run{DurationS: 60}, New: Run{DurationS: 60}}
	for name, tt := range map[string]struct {
		before, after *Level
		want          Change
	}{
		"new":      {nil, accepted, Suppressed},
		"as ever":  {accepted, accepted, Suppressed},
		"now":      {level(verdict.Leaking, 1, 0), accepted, Suppressed},
		"no more":  {accepted, level(verdict.Leaking, 60, 60), Same},
		"vanished": {accepted, nil, Gone},
	} {
		if got, _ := d.judge(tracer.Thread, tt.before, tt.after); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
}

// What a run did not look for has neither come nor gone.
func TestDiffOfOtherKinds(t *testing.T) {
	leak := level(verdict.Leaking, 60, 60)
	d := Diff{Old: Run{DurationS: 60, Kinds: []tracer.Kind{tracer.Zombie}}, New: Run{DurationS: 60, Kinds: []tracer.Kind{tracer.Zombie, tracer.Thread}}}
	for _, tt := range []struct {
		kind          tracer.Kind
		before, after *Level
		want          Change
	}{
		{tracer.Thread, nil, leak, Unclear},
		{tracer.Zombie, nil, leak, New},
		{tracer.CloseWait, leak, nil, Unclear},
		{tracer.Zombie, leak, nil, Gone},
	} {
		if got, why := d.judge(tt.kind, tt.before, tt.after); got != tt.want {
			t.Errorf("%s: got %s, %s; want %s", tt.kind, got, why, tt.want)
		}
	}
}

// Two sites of one fingerprint are one, with the worse verdict.
func TestDiffTakesDuplicatesTogether(t *testing.T) {
	site := func(state verdict.State, n int, suppressed string) Site {
		return Site{Kind: tracer.Thread, Fingerprint: "f", State: state, Outstanding: n, GrowthPerS: 0.5, SiteFrame: -1, Suppressed: suppressed}
	}
	r := &Report{Sites: []Site{
		site(verdict.Leaking, 1, "r"), site(verdict.Leaking, 2, ""), site(verdict.Steady, 4, ""),
		{Kind: tracer.Zombie, Fingerprint: "f", State: verdict.Steady, Outstanding: 8, SiteFrame: -1},
	}}
	d := NewDiff(&Report{}, r)
	want := []*Level{
		{State: verdict.Leaking, Outstanding: 7, GrowthPerS: 1.5},
		{State: verdict.Steady, Outstanding: 8},
	}
	var got []*Level
	for _, p := range d.Sites {
		got = append(got, p.New)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// deploys are pairs of reports that people compare.
func deploys() map[string]*Diff {
	old, fixed := services(), services()
	fixed[0].Outstanding = fixed[0].Outstanding[:4:4] // none for the last 10 s
	fixed[2].Outstanding = threads(tracer.Thread, "flush", born(90, 6))
	fixed[1].Outstanding = nil
	fixed[3].Fingerprint = "77ff"
	old[6].Outstanding = nil
	next := watch(fixed, 15, lossy)
	next.Started = began.Add(26 * time.Hour)
	next.Target.PID = 5100
	next.Suppress([]Suppression{{1, "unjoined-thread", "Audit*", "audited, see #123"}})
	previous := watch(old, 15, clean)
	backwards := NewDiff(next, watch(nil, 4, clean))
	backwards.New.Target.Comm, backwards.New.MinAgeS = "other\x1b[2J", 1
	hostile := reports()["hostile"]
	hostile.Sites[0].Kind, hostile.Sites[0].Reason = "new\x1bkind", "\x1b]0;"
	cut := *previous
	cut.Sites, cut.SitesMissing, cut.Damaged = previous.Sites[:2], len(previous.Sites)-2, true
	return map[string]*Diff{
		"cut":       NewDiff(&cut, previous),
		"deploy":    NewDiff(previous, next),
		"same":      NewDiff(previous, previous),
		"backwards": backwards,
		"nothing":   NewDiff(reports()["nothing"], reports()["nothing"]),
		"hostile":   NewDiff(reports()["nothing"], hostile),
	}
}

func TestDiffGolden(t *testing.T) {
	for name, d := range deploys() {
		for ext, write := range map[string]func(*Diff, io.Writer) error{
			"txt":    func(d *Diff, w io.Writer) error { return d.WriteText(w, TextOptions{}) },
			"80.txt": func(d *Diff, w io.Writer) error { return d.WriteText(w, TextOptions{Width: 80, Rows: 2}) },
			"json":   (*Diff).WriteJSON,
		} {
			var out bytes.Buffer
			if err := write(d, &out); err != nil {
				t.Fatal(err)
			}
			golden(t, "diff."+name+"."+ext, out.Bytes())
		}
	}
}

func TestDiffSchema(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile("diff.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range deploys() {
		var out bytes.Buffer
		if err := d.WriteJSON(&out); err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(&out)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// The schema is not vacuous.
		for _, pair := range document.(map[string]any)["sites"].([]any) {
			pair.(map[string]any)["change"] = "other"
			if schema.Validate(document) == nil {
				t.Errorf("%s: the schema accepts a change it does not know", name)
			}
		}
	}
}

func TestDiffWriteErrorsAreReported(t *testing.T) {
	d := deploys()["deploy"]
	for _, format := range DiffFormats() {
		if err := d.Write(fullDisk{}, format); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v", format, err)
		}
	}
	if err := d.Write(io.Discard, "folded"); err == nil {
		t.Error("folded is not refused")
	}
}
