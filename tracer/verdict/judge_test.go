package verdict

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
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
	s := &tracer.Snapshot{Time: start.Add(seconds(at)), Looked: start.Add(seconds(at))}
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

// bursts creates n objects at once every period.
func bursts(from, to, period float64, n int, lifetime float64) (lives []life) {
	for at := from; at < to; at += period {
		for range n {
			lives = append(lives, life{at, at + lifetime})
		}
	}
	return lives
}

// drain is n objects of one birth that end from a time on, perS of them.
func drain(born float64, n int, from, perS float64) (lives []life) {
	for i := range n {
		lives = append(lives, life{born, from + float64(i)/perS})
	}
	return lives
}

// slowing fills a pool of n at a rate that falls with what is missing.
func slowing(from, to float64, n int, constant float64) (lives []life) {
	for i := range n - 1 {
		born := from - constant*math.Log(1-float64(i)/float64(n))
		if born < to {
			lives = append(lives, life{born, forever})
		}
	}
	return lives
}

// collected grows by perS and is emptied by a collector about every period,
// which overlooks a few.
func collected(seed uint64, from, run, perS, period float64) (lives []life) {
	r := rand.New(rand.NewPCG(seed, 3))
	for from < run {
		to := from + period*(0.5+r.Float64())
		for _, l := range rate(from, to, perS, 0) {
			end := to
			if r.Float64() < 0.1 {
				end += period
			}
			lives = append(lives, life{l.born, end})
		}
		from = to
	}
	return lives
}

// diurnal is churn whose rate follows the time of day, from midnight.
func diurnal(seed uint64, run, perS, lifetime float64) (lives []life) {
	r := rand.New(rand.NewPCG(seed, 4))
	for at := -5 * lifetime; at < run; at += r.ExpFloat64() / perS {
		if load := 0.55 - 0.45*math.Cos(2*math.Pi*at/day); r.Float64() < load {
			lives = append(lives, life{at, at + r.ExpFloat64()*lifetime})
		}
	}
	return lives
}

// judgement is what a table compares of a site.
type judgement struct {
	State  State
	Past   int
	Reason string
}

func judgements(sites []Site) (out []judgement) {
	for _, s := range sites {
		out = append(out, judgement{s.State, s.Past, s.Reason})
	}
	return out
}

const minute, hour, day = 60, 3600, 86400

func TestThreads(t *testing.T) {
	tests := map[string]struct {
		lives         []life
		run, interval float64
		want          judgement
	}{
		"leak of 1/s":                             {rate(0, minute, 1, forever), minute, 1, judgement{Leaking, 50, "grew from 0 to 60 in 57s and did not stop"}},
		"leak of 1/s, seen for a short time":      {rate(0, 15, 1, forever), 15, 1, judgement{Suspect, 5, "grew from 0 to 15 in 15s, not for long enough to tell"}},
		"leak of 5/s, seen for a short time":      {rate(0, 15, 5, forever), 15, 1, judgement{Suspect, 25, "grew from 0 to 75 in 15s, not for long enough to tell"}},
		"leak beside a pool":                      {append(pool(8, -5), rate(0, minute, 1, forever)...), minute, 1, judgement{Leaking, 58, "grew from 8 to 68 in 57s and did not stop"}},
		"leak seen every 5 s":                     {rate(0, minute, 1, forever), minute, 5, judgement{Leaking, 50, "grew from 0 to 60 in 1m0s and did not stop"}},
		"leak seen 4 times":                       {rate(0, minute, 1, forever), minute, 15, judgement{Suspect, 50, "grew from 0 to 60 in 1m0s, not for long enough to tell"}},
		"leak that began after 15 s":              {rate(15, minute, 1, forever), minute, 1, judgement{Leaking, 35, "grew from 0 to 45 in 45s and did not stop"}},
		"slow leak":                               {rate(0, hour, 0.01, forever), hour, 10, judgement{Leaking, 36, "grew from 0 to 36 in 57m30s and did not stop"}},
		"very slow leak":                          {rate(0, day, 1./hour, forever), day, 30, judgement{Leaking, 24, "grew from 0 to 24 in 22h56m30s and did not stop"}},
		"leak that began late":                    {rate(1000, 1500, 1, forever), 1500, 1, judgement{Leaking, 490, "grew from 0 to 500 in 7m57s and did not stop"}},
		"leak that began after a day":             {append(pool(8, -5), rate(day, day+2*minute, 0.5, forever)...), day + 2*minute, 10, judgement{Leaking, 63, "grew from 8 to 68 in 2m0s and did not stop"}},
		"leak under churn":                        {append(churn(1, 10*minute, 20, 1), rate(0, 10*minute, 1, forever)...), 10 * minute, 1, judgement{Leaking, 590, "those older than 10s grew from 0 to 554 in 9m29s and did not stop"}},
		"leak under a sawtooth":                   {append(sawtooth(10*minute, 20, 1), rate(0, 10*minute, 0.5, forever)...), 10 * minute, 1, judgement{Leaking, 295, "those older than 20s grew from 0 to 272 in 9m29s and did not stop"}},
		"leak in steps":                           {slices.Concat(pool(5, 1), pool(5, 11), pool(5, 21), pool(5, 31), pool(5, 41), pool(5, 51)), minute, 1, judgement{Leaking, 25, "grew from 0 to 30 in 57s and did not stop"}},
		"leak in bursts of ten a minute":          {bursts(0, 20*minute, minute, 10, forever), 20 * minute, 1, judgement{Leaking, 200, "grew from 10 to 200 in 18m57s and did not stop"}},
		"leak after a restart":                    {append(rate(-100, 0, 0.3, 110), rate(10, 5*minute, 1, forever)...), 5 * minute, 1, judgement{Leaking, 280, "grew from 79 to 290 in 3m33s and did not stop"}},
		"leak of one in ten sessions":             {append(rate(-30, 20*minute, 0.9, 30), rate(0, 20*minute, 0.1, forever)...), 20 * minute, 1, judgement{Leaking, 137, "those older than 40s grew from 0 to 109 in 18m57s and did not stop"}},
		"leak by day only":                        {append(rate(0, 4*hour, 0.01, forever), rate(8*hour, 12*hour, 0.01, forever)...), 11 * hour, 30, judgement{Leaking, 252, "grew from 144 to 252 in 2h52m30s and did not stop"}},
		"leak after pool was replaced":            {slices.Concat(rate(-1, 0, 8, hour), pool(8, hour), rate(2*hour, 2*hour+5*minute, 1, forever)), 2*hour + 5*minute, 5, judgement{Leaking, 298, "grew from 8 to 308 in 4m45s and did not stop"}},
		"leak of which some end":                  {append(rate(0, 5*minute, 0.9, forever), rate(0, 5*minute, 0.1, 100)...), 5 * minute, 1, judgement{Leaking, 270, "grew from 0 to 280 in 4m45s and did not stop"}},
		"pool from before tracing":                {pool(4, -100), minute, 1, judgement{Steady, 4, "stays at 4"}},
		"pool from before, seen for a short time": {pool(4, -100), 15, 1, judgement{Unknown, 4, "not enough evidence yet"}},
		"young pool from before tracing":          {rate(-9, 0, 2, forever), minute, 1, judgement{Steady, 18, "stays at 18"}},
		"pool created at attach":                  {pool(4, 0), minute, 1, judgement{Steady, 4, "stays at 4"}},
		"pool created in a second":                {rate(0, 1, 4, forever), minute, 1, judgement{Steady, 4, "settled at 4"}},
		"pool filled in 4 s":                      {rate(0, 4, 4, forever), minute, 1, judgement{Steady, 16, "settled at 16"}},
		"pool filled in 8 s":                      {rate(0, 8, 2, forever), minute, 1, judgement{Steady, 16, "settled at 16"}},
		"pool filled in 20 s":                     {rate(0, 20, 1, forever), minute, 1, judgement{Steady, 20, "settled at 20"}},
		"pool filled ever more slowly":            {slowing(0, 10*minute, 32, 60), 10 * minute, 1, judgement{Steady, 31, "settled at 31"}},
		"pool of 7 filled in a minute":            {rate(0, minute, 7./minute, forever), 80, 1, judgement{Suspect, 7, "grew from 0 to 7 in 1m13s, too few to tell"}},
		"handful started on demand":               {rate(0, minute, 3./minute, forever), minute, 1, judgement{Steady, 3, "moves between 0 and 3"}},
		"pool that fills slowly":                  {rate(0, 5*minute, 0.1, forever), hour, 10, judgement{Steady, 30, "settled at 30"}},
		"pool with jitter":                        {append(pool(16, -100), churn(3, 10*minute, 0.5, 5)...), 10 * minute, 1, judgement{Steady, 16, "moves between 16 and 23"}},
		"pool that grows and shrinks":             {append(pool(4, -1), bursts(0, hour, 10*minute, 12, 5*minute)...), hour, 5, judgement{Steady, 4, "moves between 4 and 16"}},
		"pool of replaced workers":                {rate(-100, hour, 0.2, 100), hour, 10, judgement{Steady, 18, "stays at 20"}},
		"pool replaced at once":                   {append(rate(-1, 0, 20, 10*minute), pool(20, 10*minute)...), 20 * minute, 1, judgement{Steady, 20, "stays at 20"}},
		"pool filled under churn, a while ago":    {append(churn(1, 148, 2, 0.3), rate(100, 115, 2, forever)...), 148, 1, judgement{Suspect, 30, "those older than 40s grew from 0 to 16 in 49s, not for long enough to tell"}},
		"burst that stays":                        {rate(100, 101, 100, forever), 10 * minute, 1, judgement{Steady, 100, "settled at 100"}},
		"burst that drains":                       {append(pool(1, -1), drain(100, 100, 200, 2)...), 230, 1, judgement{Draining, 40, "falls from 101 to 40"}},
		"burst that drained":                      {append(pool(1, -1), drain(100, 100, 200, 2)...), 10 * minute, 1, judgement{Steady, 1, "settled at 1"}},
		"burst that half drains":                  {append(rate(100, 101, 50, 200), rate(100, 101, 50, forever)...), 10 * minute, 1, judgement{Steady, 50, "settled at 50"}},
		"two bursts":                              {append(pool(50, 100), pool(50, 300)...), 10 * minute, 1, judgement{Steady, 100, "settled at 100"}},
		"burst in the last moment":                {append(pool(1, -1), rate(598, 600, 100, forever)...), 10 * minute, 1, judgement{Steady, 1, "moves between 1 and 201"}},
		"pool from before that drains":            {drain(-50, 50, 0, 1), 40, 1, judgement{Draining, 9, "falls from 49 to 9"}},
		"leak that stopped":                       {rate(0, 5*minute, 1, forever), 10 * minute, 1, judgement{Steady, 300, "settled at 300"}},
		"leak that just stopped":                  {rate(0, 5*minute, 1, forever), 5*minute + 20, 1, judgement{Leaking, 300, "grew from 0 to 300 in 5m5s and did not stop"}},
		"growth of the last minute":               {append(pool(1, -1), rate(9*minute, 10*minute, 1, forever)...), 10 * minute, 1, judgement{Leaking, 51, "grew from 1 to 61 in 57s and did not stop"}},
		"growth of the last 30 s":                 {append(pool(1, -1), rate(9*minute+30, 10*minute, 1, forever)...), 10 * minute, 1, judgement{Suspect, 21, "grew from 1 to 31 in 29s, not for long enough to tell"}},
		"sawtooth that returns":                   {append(pool(1, -1), sawtooth(10*minute, 20, 1)...), 10 * minute, 1, judgement{Steady, 1, "moves between 1 and 20"}},
		"sawtooth on its last climb":              {sawtooth(10*minute, 95, 1), 560, 1, judgement{Steady, 75, "moves between 0 and 94"}},
		"long sawtooth, third climb":              {sawtooth(10*minute, 200, 1), 595, 1, judgement{Steady, 185, "moves between 0 and 199"}},
		"sawtooth under a collector with jitter":  {collected(1, 0, hour, 0.5, 90), hour, 1, judgement{Steady, 24, "moves between 0 and 67"}},
		"rising load of short lives":              {append(pool(1, -1), slices.Concat(rate(0, 15, 5, 2), rate(15, 30, 10, 2), rate(30, 45, 15, 2), rate(45, 61, 20, 2))...), minute, 1, judgement{Steady, 1, "moves between 1 and 41"}},
		"day of short lives, in the morning":      {diurnal(5, day, 0.5, 20), 7 * hour, 30, judgement{Steady, 3, "moves between 0 and 13"}},
		"day of long lives, in the morning":       {diurnal(6, day, 0.02, 30*minute), 7 * hour, 30, judgement{Steady, 22, "moves between 3 and 32"}},
		"day of long lives, in the evening":       {diurnal(6, day, 0.02, 30*minute), 19 * hour, 30, judgement{Steady, 22, "moves between 3 and 45"}},
		"sessions of 5 minutes from the start":    {rate(0, hour, 0.2, 5*minute), hour, 5, judgement{Steady, 58, "settled at 60"}},
		"threads that all end":                    {rate(0, minute, 5, 0.5), minute, 1, judgement{Steady, 0, "all younger than 10s"}},
		"one snapshot":                            {pool(4, -100), 0, 1, judgement{Unknown, 4, "not enough evidence yet"}},
		"three snapshots":                         {pool(4, -100), minute, 25, judgement{Unknown, 4, "not enough evidence yet"}},
		"too young to judge":                      {rate(0, 8, 1, forever), 8, 1, judgement{Unknown, 0, "not enough evidence yet"}},
		"young growth beside old one":             {append(pool(1, -100), rate(0, 8, 2, forever)...), 8, 1, judgement{Unknown, 1, "not enough evidence yet"}},
		"pool filled slowly before tracing":       {rate(-100, 0, 0.3, forever), 70, 1, judgement{Steady, 30, "stays at 30"}},
		"ten more beside a pool":                  {append(pool(20, -100), rate(0, 100, 0.1, forever)...), 100, 1, judgement{Suspect, 29, "grew from 20 to 30 in 1m33s, too few to tell"}},
		"burst that half drained":                 {slices.Concat(pool(51, 100), drain(100, 50, 150, 2)), 195, 1, judgement{Steady, 51, "moves between 0 and 101"}},
		"nothing left":                            {rate(0, 10, 1, 5), minute, 1, judgement{Steady, 0, "nothing outstanding"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := judgements(watch(tracer.Thread, tt.lives, tt.run, tt.interval, 10).Sites())
			if diff := gocmp.Diff([]judgement{tt.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Objects of unknown sites never make a leak: together they may look like one.
func TestNotSampledIsNeverLeaking(t *testing.T) {
	for _, kind := range tracer.Kinds() {
		verdicts := make(map[string]State)
		for _, group := range []string{"", tracer.NotSampled} {
			h := New(start, 10*time.Second)
			for at := range 120 {
				shot := snapshotAt(kind, rate(0, 120, 1, forever), float64(at))
				for i := range shot.Sites {
					shot.Sites[i].Group = group
				}
				h.Add(shot)
			}
			verdicts[group] = h.Sites()[0].State
		}
		want := map[string]State{"": Leaking, tracer.NotSampled: Suspect}
		if diff := gocmp.Diff(want, verdicts); diff != "" {
			t.Errorf("%s: wrong verdicts (-want +got):\n%s", kind, diff)
		}
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
		if s.State != Leaking {
			t.Errorf("seed %d: %s", seed, s.Reason)
		}
		if s.GrowthPerS < 0.6 || s.GrowthPerS > 1.4 {
			t.Errorf("seed %d: growth %v, want about 1", seed, s.GrowthPerS)
		}
	}
}
