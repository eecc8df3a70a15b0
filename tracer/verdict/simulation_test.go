package verdict

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// theatre plays the lives of sites to a history, with work for what changes
// only: a day has many snapshots.
type theatre struct {
	history *History
	kind    tracer.Kind
	sites   []*actor
}

// actor is one site: its lives by birth, and the ones that are on.
type actor struct {
	fingerprint string
	lives       []life
	next        int
	alive       []int
	ends        []float64
	released    uint64
}

func newTheatre(minAge float64, sites ...[]life) *theatre {
	th := &theatre{history: New(start, seconds(minAge)), kind: tracer.Thread}
	for i, lives := range sites {
		slices.SortFunc(lives, func(a, b life) int { return cmp.Compare(a.born, b.born) })
		th.sites = append(th.sites, &actor{fingerprint: fmt.Sprint(i), lives: lives})
	}
	return th
}

// snapshot shows the sites at a time; times do not go back.
func (th *theatre) snapshot(at float64) {
	s := &tracer.Snapshot{Time: start.Add(seconds(at))}
	for _, a := range th.sites {
		s.Sites = append(s.Sites, a.site(th.kind, at))
	}
	th.history.Add(s)
}

func (a *actor) site(kind tracer.Kind, at float64) tracer.Site {
	for ; a.next < len(a.lives) && a.lives[a.next].born <= at; a.next++ {
		if a.lives[a.next].end <= 0 {
			continue // before tracing
		}
		a.alive = append(a.alive, a.next)
	}
	created := len(a.alive)
	a.alive = slices.DeleteFunc(a.alive, func(i int) bool { return a.lives[i].end <= at })
	a.released += uint64(created - len(a.alive))
	out := tracer.Site{
		Kind: kind, Fingerprint: a.fingerprint, Released: a.released,
		Created: a.released + uint64(len(a.alive)), Outstanding: make([]tracer.Object, len(a.alive)),
	}
	for n, i := range a.alive {
		since := start.Add(seconds(a.lives[i].born))
		out.Outstanding[n] = tracer.Object{
			Kind: kind, ID: i + 1, Created: since, Since: since, BeforeTracing: a.lives[i].born < 0,
			Owner: tracer.Process{PID: 1, Start: 1},
		}
	}
	return out
}

// lifetime draws how long an object lives, in seconds.
type lifetime func(r *rand.Rand) float64

func exponential(mean float64) lifetime {
	return func(r *rand.Rand) float64 { return mean * r.ExpFloat64() }
}

func uniform(from, to float64) lifetime {
	return func(r *rand.Rand) float64 { return from + (to-from)*r.Float64() }
}

func lognormal(median, sigma float64) lifetime {
	return func(r *rand.Rand) float64 { return median * math.Exp(sigma*r.NormFloat64()) }
}

func pareto(least, alpha float64) lifetime {
	return func(r *rand.Rand) float64 { return least * math.Pow(1-r.Float64(), -1/alpha) }
}

// arrivals is a Poisson stream; load, if there is one, thins it out.
func arrivals(r *rand.Rand, from, to, perS float64, l lifetime, load func(at float64) float64) (lives []life) {
	for at := from; at < to; at += r.ExpFloat64() / perS {
		if load == nil || r.Float64() < load(at) {
			lives = append(lives, life{at, at + l(r)})
		}
	}
	return lives
}

// A leak of 2 an hour... per minute must be found among 60,000 short lives.
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

// steadyService draws a service that leaks nothing, and says what it is.
func steadyService(r *rand.Rand, run float64) (lives []life, what string) {
	load := func(at float64) float64 { return 1 }
	if r.IntN(2) == 0 {
		phase := r.Float64() * day
		load = func(at float64) float64 { return 0.55 - 0.45*math.Cos(2*math.Pi*(at+phase)/day) }
		what = "diurnal "
	}
	mean := math.Exp(math.Log(0.02) + r.Float64()*math.Log(hour/2/0.02))
	// So many are alive on average; short ones are not worth many snapshots.
	perS := min(2, math.Exp(r.Float64()*math.Log(60))/mean)
	kinds := map[string]lifetime{
		"exponential": exponential(mean), "lognormal": lognormal(mean, 0.3+r.Float64()),
		"uniform": uniform(0, 2*mean), "pareto": pareto(mean/3, 1.5+r.Float64()), "constant": uniform(mean, mean),
	}
	name := slices.Sorted(func(yield func(string) bool) {
		for k := range kinds {
			if !yield(k) {
				return
			}
		}
	})[r.IntN(len(kinds))]
	l := kinds[name]
	what += fmt.Sprintf("%s %.1fs × %.2f/s", name, mean, perS)
	switch r.IntN(8) {
	case 0, 1, 2:
		lives = arrivals(r, -5*mean, run, perS, l, load)
	case 3:
		what += " pool"
		lives = arrivals(r, -5*mean, run, perS, l, load)
		n, born := r.IntN(60), r.Float64()*run/2
		for range n {
			lives = append(lives, life{born, forever})
			born += r.ExpFloat64() * 0.3
		}
	case 4:
		what = "thread pool by load"
		lives = elastic(r, run)
	case 5:
		what += " restarts"
		for from := -5 * mean; from < run; {
			to := from + (0.1+r.Float64())*8*hour
			part := arrivals(r, from, min(to, run), perS, l, load)
			for i := range part {
				part[i].end = min(part[i].end, to)
			}
			lives = append(lives, part...)
			from = to
		}
	case 6:
		what = "collected"
		period := math.Exp(math.Log(20) + r.Float64()*math.Log(15))
		lives = collected(r.Uint64(), run, (5+20*r.Float64())/period, period)
	case 7:
		what += " bursts"
		lives = arrivals(r, -5*mean, run, perS, l, load)
		for at := r.Float64() * hour; at < run; at += r.ExpFloat64() * 2 * hour {
			for range 5 + r.IntN(60) {
				lives = append(lives, life{at, at + l(r) + r.Float64()*600})
			}
		}
	}
	return lives, what
}

// elastic is a pool whose size follows a load that wanders; idle threads end
// after a minute.
func elastic(r *rand.Rand, run float64) (lives []life) {
	var alive []int
	want, least, most := 5.0, 2.0, 4+r.Float64()*60
	for at := -1.0; at < run; at += 10 {
		want = min(most, max(least, want+r.NormFloat64()*most/20))
		for len(alive) < int(want) {
			alive = append(alive, len(lives))
			lives = append(lives, life{at + r.Float64()*10, forever})
		}
		for len(alive) > int(want) {
			i := r.IntN(len(alive))
			lives[alive[i]].end = at + 60
			alive = slices.Delete(alive, i, i+1)
		}
	}
	return lives
}

// census counts the verdicts on steady services.
type census struct {
	sync.Mutex
	states  map[State]int
	accused int
}

func (c *census) day(t *testing.T, seed uint64, services int) {
	r := rand.New(rand.NewPCG(seed, 6))
	var sites [][]life
	var what []string
	for range services {
		lives, w := steadyService(r, day)
		sites, what = append(sites, lives), append(what, w)
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
	c.accused += len(accused)
	for f, reason := range accused {
		var i int
		fmt.Sscan(f, &i)
		t.Errorf("seed %d, site %s (%s): %s", seed, f, what[i], reason)
	}
}

func TestSteadyServicesAreNeverAccused(t *testing.T) {
	t.Parallel()
	const histories, services = 40, 25
	c := census{states: make(map[State]int)}
	began := time.Now()
	var wg sync.WaitGroup
	for w := range 2 {
		wg.Go(func() {
			for seed := w; seed < histories; seed += 2 {
				c.day(t, uint64(seed), services)
			}
		})
	}
	wg.Wait()
	t.Log(c.states, c.accused, time.Since(began))
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
