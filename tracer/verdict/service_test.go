package verdict

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

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

// inRounds is the service that cannot be told from a leak in its first rounds,
// each of which takes up to 5 minutes.
const inRounds = "collected in rounds"

// steadyService draws a service that leaks nothing, and says what it is. It has
// run for a while when tracing begins.
func steadyService(r *rand.Rand, run float64) (lives []life, what string) {
	load := func(at float64) float64 { return 1 }
	if r.IntN(2) == 0 {
		phase := r.Float64() * day
		load = func(at float64) float64 { return 0.55 - 0.45*math.Cos(2*math.Pi*(at+phase)/day) }
		what = "diurnal "
	}
	mean := math.Exp(math.Log(0.02) + r.Float64()*math.Log(hour/0.02))
	// So many are alive on average; short ones are not worth many snapshots.
	perS := min(2, math.Exp(r.Float64()*math.Log(60))/mean)
	shapes := []struct {
		name string
		lifetime
	}{
		{"exponential", exponential(mean)},
		{"lognormal", lognormal(mean, 0.3+r.Float64())},
		{"uniform", uniform(0, 2*mean)},
		{"pareto", pareto(mean/3, 1.5+r.Float64())},
		{"constant", uniform(mean, mean)},
	}
	shape := shapes[r.IntN(len(shapes))]
	l := shape.lifetime
	what += fmt.Sprintf("%s %.1fs × %.2f/s", shape.name, mean, perS)
	lives = arrivals(r, -20*mean, run, perS, l, load)
	switch r.IntN(8) {
	case 0:
		n, born := r.IntN(60), r.Float64()*run/2
		for range n {
			lives = append(lives, life{born, forever})
			born += r.ExpFloat64() * 0.3
		}
		return lives, what + ", and a pool"
	case 1:
		return elastic(r, run), "pool that follows a load"
	case 2:
		return restarts(r, lives), what + ", restarts"
	case 3:
		period := math.Exp(math.Log(20) + r.Float64()*math.Log(15))
		return collected(r.Uint64(), -5*period, run, (5+20*r.Float64())/period, period), inRounds
	case 4:
		for at := r.Float64() * hour; at < run; at += r.ExpFloat64() * 2 * hour {
			for range 5 + r.IntN(60) {
				lives = append(lives, life{at, at + l(r) + r.Float64()*10*minute})
			}
		}
		return lives, what + ", and bursts"
	}
	return lives, what
}

// restarts ends all lives at times a few hours apart.
func restarts(r *rand.Rand, lives []life) []life {
	pause := func() float64 { return (0.1 + r.Float64()) * 8 * hour }
	next := pause()
	for i, l := range lives {
		for next <= l.born {
			next += pause()
		}
		lives[i].end = min(l.end, next)
	}
	return lives
}

// elastic is a pool whose size follows a load that wanders; idle threads end
// after a minute.
func elastic(r *rand.Rand, run float64) (lives []life) {
	var alive []int
	want, least, most := 5.0, 2.0, 4+r.Float64()*60
	for at := -1.0 - hour; at < run; at += 10 {
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
