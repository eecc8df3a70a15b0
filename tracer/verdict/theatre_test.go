package verdict

import (
	"cmp"
	"fmt"
	"slices"

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
