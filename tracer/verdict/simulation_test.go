package verdict

import (
	"fmt"
	"math/rand/v2"
	"sync"
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
type census struct {
	sync.Mutex
	states map[State]int
}

func (c *census) day(t *testing.T, seed uint64, services int) {
	r := rand.New(rand.NewPCG(seed, 6))
	var sites [][]life
	what := make(map[string]string)
	for i := range services {
		lives, w := steadyService(r, day)
		sites, what[fmt.Sprint(i)] = append(sites, lives), w
	}
	th := newTheatre(10, sites...)
	states, accused := make(map[State]int), make(map[string]string)
	for at := 0.0; at <= day; at += minute {
		th.snapshot(at)
		if int(at)%(5*minute) != 0 {
			continue
		}
		for _, s := range th.history.Sites() {
			states[s.State]++
			if s.State == Leaking && accused[s.Fingerprint] == "" {
				accused[s.Fingerprint] = fmt.Sprintf("after %s: %s", seconds(at), s.Reason)
			}
		}
	}
	c.Lock()
	defer c.Unlock()
	for state, n := range states {
		c.states[state] += n
	}
	for f, reason := range accused {
		t.Errorf("seed %d, site %s (%s): %s", seed, f, what[f], reason)
	}
}

func TestSteadyServicesAreNeverAccused(t *testing.T) {
	t.Parallel()
	const histories, services = 40, 25
	c := census{states: make(map[State]int)}
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for seed := w; seed < histories; seed += 2 {
				c.day(t, uint64(seed), services)
			}
		})
	}
	wg.Wait()
	t.Log(c.states)
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
