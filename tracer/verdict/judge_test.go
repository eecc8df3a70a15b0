package verdict

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

var start = time.Date(2026, 11, 3, 9, 0, 0, 0, time.UTC)

// life is one object: when it became outstanding and when it was given back,
// in seconds of traced time. Objects with a negative birth precede tracing.
type life struct{ born, end float64 }

const forever = math.MaxFloat64

// snapshotAt returns what a tracer would see of the lives at a time.
func snapshotAt(kind tracer.Kind, lives []life, at float64) *tracer.Snapshot {
	site := tracer.Site{Kind: kind, Fingerprint: "f"}
	for i, l := range lives {
		if l.born > at {
			continue
		}
		if l.end <= at {
			if l.end > 0 {
				site.Released++
			}
			continue
		}
		since := start.Add(seconds(l.born))
		site.Outstanding = append(site.Outstanding, tracer.Object{
			Kind: kind, ID: i, Created: since, Since: since, BeforeTracing: l.born < 0,
		})
	}
	slices.SortFunc(site.Outstanding, func(a, b tracer.Object) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
	})
	s := &tracer.Snapshot{Time: start.Add(seconds(at))}
	if len(site.Outstanding) > 0 || site.Released > 0 {
		s.Sites = []tracer.Site{site}
	}
	return s
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// watch runs lives through a history, with the first snapshot at attach.
func watch(kind tracer.Kind, lives []life, run, interval, minAge float64) *History {
	h := New(start, seconds(minAge))
	for at := 0.0; at <= run; at += interval {
		h.Add(snapshotAt(kind, lives, at))
	}
	return h
}

// Shapes of a site's life.

func rate(from, to, perS, lifetime float64) (lives []life) {
	for i := range int((to - from) * perS) {
		born := from + (float64(i)+0.5)/perS
		lives = append(lives, life{born, born + lifetime})
	}
	return lives
}

func pool(n int, born float64) (lives []life) {
	for range n {
		lives = append(lives, life{born, forever})
	}
	return lives
}

// churn is a Poisson stream of objects with exponential lifetimes.
func churn(seed uint64, run, perS, lifetime float64) (lives []life) {
	r := rand.New(rand.NewPCG(seed, 1))
	for at := -10 * lifetime; at < run; at += r.ExpFloat64() / perS {
		lives = append(lives, life{at, at + r.ExpFloat64()*lifetime})
	}
	return lives
}

// sawtooth grows by perS and is emptied at the end of each period.
func sawtooth(run, period, perS float64) (lives []life) {
	for from := 0.0; from < run; from += period {
		for _, l := range rate(from, from+period, perS, 0) {
			lives = append(lives, life{l.born, from + period})
		}
	}
	return lives
}

type judgement struct {
	Leaking bool
	Past    int
	Reason  string
}

func TestThreads(t *testing.T) {
	const demo, minute, hour = 15, 60, 3600
	tests := map[string]struct {
		lives         []life
		run, interval float64
		want          judgement
	}{
		"steady leak of 1/s":          {rate(0, demo, 1, forever), demo, 1, judgement{true, 5, "grew from 0 to 15 in 15s and did not stop"}},
		"steady leak of 2/s":          {rate(0, demo, 2, forever), demo, 1, judgement{true, 10, "grew from 0 to 30 in 15s and did not stop"}},
		"steady leak of 5/s":          {rate(0, demo, 5, forever), demo, 1, judgement{true, 25, "grew from 0 to 75 in 15s and did not stop"}},
		"leak beside a pool":          {append(pool(8, -5), rate(0, demo, 1, forever)...), demo, 1, judgement{true, 13, "grew from 8 to 23 in 15s and did not stop"}},
		"leak seen every 5 s":         {rate(0, demo, 1, forever), demo, 5, judgement{true, 5, "grew from 0 to 15 in 15s and did not stop"}},
		"leak that began after 3 s":   {rate(3, demo, 1, forever), demo, 1, judgement{true, 2, "grew from 0 to 12 in 12s and did not stop"}},
		"constant slow leak":          {rate(0, hour, 0.01, forever), hour, 10, judgement{true, 36, "grew from 0 to 36 in 58m50s and did not stop"}},
		"leak that began late":        {rate(1000, 1500, 1, forever), 1500, 1, judgement{true, 490, "grew from 0 to 500 in 7m57s and did not stop"}},
		"leak under churn":            {append(churn(1, 10*minute, 20, 1), rate(0, 10*minute, 1, forever)...), 10 * minute, 1, judgement{true, 590, "grew from 21 to 619 in 9m45s and did not stop"}},
		"leak under a sawtooth":       {append(sawtooth(10*minute, 20, 1), rate(0, 10*minute, 0.5, forever)...), 10 * minute, 1, judgement{true, 295, "grew from 0 to 300 in 9m45s and did not stop"}},
		"leak in steps":               {slices.Concat(pool(5, 1), pool(5, 11), pool(5, 21), pool(5, 31), pool(5, 41), pool(5, 51)), minute, 1, judgement{true, 25, "grew from 0 to 30 in 1m0s and did not stop"}},
		"leak after a restart":        {append(rate(-100, 0, 0.3, 110), rate(10, 5*minute, 1, forever)...), 5 * minute, 1, judgement{true, 280, "grew from 30 to 290 in 4m45s and did not stop"}},
		"pool from before tracing":    {pool(4, -100), demo, 1, judgement{false, 4, "stays at 4"}},
		"pool created at attach":      {pool(4, 0), demo, 1, judgement{false, 4, "stays at 4"}},
		"pool created in a second":    {rate(0, 1, 4, forever), demo, 1, judgement{false, 4, "settled at 4"}},
		"pool filled in 4 s":          {rate(0, 4, 4, forever), demo, 1, judgement{false, 16, "settled at 16"}},
		"pool filled in 8 s":          {rate(0, 8, 2, forever), demo, 1, judgement{false, 10, "settled at 16"}},
		"handful started on demand":   {rate(0, demo, 4./demo, forever), demo, 1, judgement{false, 1, "grew by only 3"}},
		"pool that fills slowly":      {rate(0, 5*minute, 0.1, forever), hour, 10, judgement{false, 30, "settled at 30"}},
		"pool of replaced workers":    {rate(-100, hour, 0.2, 100), hour, 10, judgement{false, 18, "stays at 20"}},
		"burst that stays":            {rate(100, 101, 100, forever), 10 * minute, 1, judgement{false, 100, "settled at 100"}},
		"burst that drains":           {append(pool(1, -1), rate(100, 101, 100, 200)...), 10 * minute, 1, judgement{false, 1, "settled at 1"}},
		"burst that half drains":      {append(rate(100, 101, 50, 200), rate(100, 101, 50, forever)...), 10 * minute, 1, judgement{false, 50, "settled at 50"}},
		"two bursts":                  {append(pool(50, 100), pool(50, 300)...), 10 * minute, 1, judgement{false, 100, "settled at 100"}},
		"burst in the last moment":    {append(pool(1, -1), rate(598, 600, 100, forever)...), 10 * minute, 1, judgement{false, 1, "moves between 1 and 201"}},
		"leak that stopped":           {rate(0, 5*minute, 1, forever), 10 * minute, 1, judgement{false, 300, "settled at 300"}},
		"growth of the last minute":   {append(pool(1, -1), rate(9*minute, 10*minute, 1, forever)...), 10 * minute, 1, judgement{false, 51, "growing, but only for 57s"}},
		"sawtooth that returns":       {append(pool(1, -1), sawtooth(10*minute, 20, 1)...), 10 * minute, 1, judgement{false, 1, "moves between 1 and 20"}},
		"sawtooth on its last climb":  {sawtooth(10*minute, 95, 1), 560, 1, judgement{false, 75, "growing, but only for 1m21s"}},
		"long sawtooth, third climb":  {sawtooth(10*minute, 200, 1), 595, 1, judgement{false, 185, "fell back by 199 before"}},
		"rising load of short lives":  {append(pool(1, -1), slices.Concat(rate(0, 15, 5, 2), rate(15, 30, 10, 2), rate(30, 45, 15, 2), rate(45, 61, 20, 2))...), minute, 1, judgement{false, 1, "grows, but its threads end"}},
		"threads that all end":        {rate(0, minute, 5, 0.5), minute, 1, judgement{false, 0, "all younger than 10s"}},
		"one snapshot":                {pool(4, -100), 0, 1, judgement{false, 4, "too few snapshots to tell"}},
		"three snapshots of a leak":   {rate(0, demo, 1, forever), demo, 7, judgement{false, 4, "too few snapshots to tell"}},
		"too young to judge":          {rate(0, 8, 1, forever), 8, 1, judgement{false, 0, "all younger than 10s"}},
		"young growth beside old one": {append(pool(1, -100), rate(0, 8, 2, forever)...), 8, 1, judgement{false, 1, "growing, but only for 8s"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := judgement{}
			for _, s := range watch(tracer.Thread, tt.lives, tt.run, tt.interval, 10).Sites() {
				got = judgement{(s.State == Leaking), s.Past, s.Reason}
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A stable level must stay innocent whatever the noise, at every snapshot of
// the run and not only at its end.
func TestStableChurnIsNeverLeaking(t *testing.T) {
	for seed := range uint64(40) {
		lives := append(churn(seed, 300, 10, 4), pool(4, -20)...)
		h := New(start, seconds(10))
		for at := 0.0; at <= 300; at++ {
			h.Add(snapshotAt(tracer.Thread, lives, at))
			for _, s := range h.Sites() {
				if s.State == Leaking {
					t.Errorf("seed %d at %v s: %s", seed, at, s.Reason)
				}
			}
		}
	}
}

// Real leaks are not clockwork.
func TestIrregularLeakIsFound(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 2))
		var lives []life
		for at := 0.0; at < 60; at += r.ExpFloat64() {
			lives = append(lives, life{at, forever})
		}
		s := watch(tracer.Thread, lives, 60, 1, 10).Sites()[0]
		if !(s.State == Leaking) {
			t.Errorf("seed %d: %s", seed, s.Reason)
		}
		if s.GrowthPerS < 0.6 || s.GrowthPerS > 1.4 {
			t.Errorf("seed %d: growth %v, want about 1", seed, s.GrowthPerS)
		}
	}
}

func TestAgeAccuses(t *testing.T) {
	kinds := map[tracer.Kind]string{
		tracer.Zombie:         "not reaped",
		tracer.UnjoinedThread: "not joined",
		tracer.CloseWait:      "not closed",
	}
	tests := map[string]struct {
		lives []life
		run   float64
		want  judgement // with VERB for the kind's
	}{
		"old":            {[]life{{1, forever}}, 15, judgement{true, 1, "1 of 1 VERB for 10s or longer"}},
		"old and young":  {rate(0, 15, 1, forever), 15, judgement{true, 5, "5 of 15 VERB for 10s or longer"}},
		"before tracing": {[]life{{-3600, forever}}, 0, judgement{true, 1, "1 of 1 VERB for 10s or longer"}},
		"exactly":        {[]life{{5, forever}}, 15, judgement{true, 1, "1 of 1 VERB for 10s or longer"}},
		"young":          {[]life{{6, forever}}, 15, judgement{false, 0, "all younger than 10s"}},
		"from after now": {[]life{{-1, 3}, {0, forever}}, 5, judgement{false, 0, "all younger than 10s"}},
		"old but gone":   {[]life{{1, 14}}, 15, judgement{false, 0, "nothing outstanding"}},
	}
	for kind, verb := range kinds {
		for name, tt := range tests {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				got := judgement{}
				for _, s := range watch(kind, tt.lives, tt.run, 1, 10).Sites() {
					got = judgement{(s.State == Leaking), s.Past, s.Reason}
				}
				want := tt.want
				want.Reason = strings.Replace(want.Reason, "VERB", verb, 1)
				if diff := gocmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}
