package verdict

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// One thread in 30 s must be found among a thousand a second that end.
func TestSlowLeakUnderHeavyChurn(t *testing.T) {
	t.Parallel()
	const perS, leakEvery, within = 1000, 30, 10 * minute
	churns := map[string]lifetime{
		"exponential 0.2 s": exponential(0.2),
		"exponential 1 s":   exponential(1),
		"exponential 2 s":   exponential(2),
		"uniform to 2 s":    uniform(0, 2),
		"lognormal":         lognormal(0.3, 1),
		"pareto":            pareto(0.2, 2.5),
		"always 1 s":        uniform(1, 1),
	}
	for name, l := range churns {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint(name, "/", seed), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 5))
				lives := arrivals(r, -30, within, perS, l, nil)
				for at := r.Float64() * leakEvery; at < within; at += leakEvery {
					lives = append(lives, life{at, forever})
				}
				th := newTheatre(10, lives)
				for at := 0.0; at <= within; at++ {
					th.snapshot(at)
					if s := th.history.Sites()[0]; s.State == Leaking {
						t.Log(at, s.Reason)
						return
					}
				}
				t.Error(th.history.Sites()[0].Reason)
			})
		}
	}
}

// census counts the verdicts on steady services.
type census map[State]int

// schedule says, in seconds, for how long services run, how often they are
// sampled and how often judged.
type schedule struct{ run, sample, judge int }

func (c census) take(t *testing.T, seed uint64, services int, s schedule) {
	r := rand.New(rand.NewPCG(seed, 6))
	var sites [][]life
	what := make(map[string]string)
	for i := range services {
		lives, w := steadyService(r, float64(s.run))
		sites, what[fmt.Sprint(i)] = append(sites, lives), w
	}
	th := newTheatre(10, sites...)
	accused := make(map[string]string)
	for at := 0; at <= s.run; at += s.sample {
		th.snapshot(float64(at))
		if at%s.judge != 0 {
			continue
		}
		for _, site := range th.history.Sites() {
			f := site.Fingerprint
			if what[f] == inRounds && at < 10*minute {
				continue
			}
			c[site.State]++
			if site.State == Leaking && accused[f] == "" {
				accused[f] = fmt.Sprintf("after %s: %s", seconds(float64(at)), site.Reason)
			}
		}
	}
	for f, reason := range accused {
		t.Errorf("seed %d, site %s (%s): %s", seed, f, what[f], reason)
	}
}

func TestSteadyServicesAreNeverAccused(t *testing.T) {
	tests := map[string]struct {
		schedule
		seeds [2]int
	}{
		"for a day":             {schedule{day, minute, 5 * minute}, [2]int{0, 20}},
		"for another day":       {schedule{day, minute, 5 * minute}, [2]int{20, 40}},
		"as the tool looks":     {schedule{40 * minute, 1, 5}, [2]int{6, 14}},
		"as it looks, for long": {schedule{2 * hour, 1, 5}, [2]int{126, 127}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := make(census)
			for seed := tt.seeds[0]; seed < tt.seeds[1]; seed++ {
				c.take(t, uint64(seed), 25, tt.schedule)
			}
			t.Log(c)
		})
	}
}

func BenchmarkAdd(b *testing.B)   { benchmark(b, func(h *History, s *tracer.Snapshot) { h.Add(s) }) }
func BenchmarkSites(b *testing.B) { benchmark(b, func(h *History, _ *tracer.Snapshot) { h.Sites() }) }

// benchmark measures with 10,000 objects in 50 sites, half of which leak, after
// four hours.
func benchmark(b *testing.B, do func(*History, *tracer.Snapshot)) {
	const run = 4 * hour
	var sites [][]life
	for i := range 50 {
		r := rand.New(rand.NewPCG(uint64(i), 7))
		lives := arrivals(r, -100, run, 2, exponential(100), nil)
		if i%2 == 0 {
			lives = append(lives, rate(run-200, run, 0.1, forever)...)
		}
		sites = append(sites, lives)
	}
	th := newTheatre(10, sites...)
	for at := 0.0; at <= run; at += 10 {
		th.snapshot(at)
	}
	s := &tracer.Snapshot{}
	for _, a := range th.sites {
		s.Sites = append(s.Sites, a.site(th.kind, run))
	}
	at := th.history.clock.wall
	for b.Loop() {
		at = at.Add(time.Second)
		s.Time = at
		do(th.history, s)
	}
}
