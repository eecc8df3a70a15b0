package export

import (
	"cmp"
	"iter"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Bounds relates what bounds processes to how fast all sites that look like a
// leak fill it: a limit does not care which site does. It does not change.
type Bounds struct {
	limits map[int][]limit.Limit
	// private is how fast what each process holds grows, in objects per second, by
	// pid; shared is how fast what a limit counts does, by the name of the limit.
	private map[int]growth
	shared  map[string]growth
}

// growth is objects per second.
type growth map[tracer.Kind]float64

// NewBounds relates limits, by pid, to the growth of sites.
func NewBounds(limits map[int][]limit.Limit, sites iter.Seq[*verdict.Site]) *Bounds {
	b := &Bounds{limits, make(map[int]growth), make(map[string]growth)}
	for s := range sites {
		if !Fills(s) {
			continue
		}
		each := s.GrowthPerS / float64(len(s.Outstanding))
		for held, n := range holdings(s) {
			b.grow(s.Kind, held, each*float64(n))
		}
	}
	return b
}

// Fills tells that a site looks like a leak and grows, so that it fills its limits.
func Fills(s *verdict.Site) bool {
	return !s.Ended && s.GrowthPerS > 0 && (s.State == verdict.Leaking || s.State == verdict.Suspect)
}

// holding is who has to do with an object: the processes that can give it back,
// and the one that created it.
type holding struct {
	holders []tracer.Process
	owner   tracer.Process
}

// of tells whether this is who has to do with an object.
func (h holding) of(o *tracer.Object) bool {
	n := 0
	for p := range o.Responsible() {
		if n == len(h.holders) || h.holders[n] != p {
			return false
		}
		n++
	}
	return n == len(h.holders) && h.owner == o.Owner
}

// holdings counts a site's objects by who has to do with them. Those in a row of
// one process, which most are, come together.
func holdings(s *verdict.Site) iter.Seq2[holding, int] {
	return func(yield func(holding, int) bool) {
		var last holding
		n := 0
		for i := range s.Outstanding {
			o := &s.Outstanding[i]
			if n > 0 && last.of(o) {
				n++
				continue
			}
			if n > 0 && !yield(last, n) {
				return
			}
			last, n = holding{slices.Collect(o.Responsible()), o.Owner}, 1
		}
		if n > 0 {
			yield(last, n)
		}
	}
}

// grow adds growth to the processes that hold the objects, and once to each
// limit that counts them.
func (b *Bounds) grow(kind tracer.Kind, held holding, perS float64) {
	counted := make(map[string]bool)
	count := func(p tracer.Process) {
		for _, l := range b.limits[p.PID] {
			if l.Shared && !counted[l.Name] {
				counted[l.Name] = true
				add(b.shared, l.Name, kind, perS)
			}
		}
	}
	for _, p := range held.holders {
		add(b.private, p.PID, kind, perS)
		count(p)
	}
	count(held.owner)
}

func add[K comparable](to map[K]growth, key K, kind tracer.Kind, perS float64) {
	if to[key] == nil {
		to[key] = make(growth)
	}
	to[key][kind] += perS
}

// uses is how many units of a limit of the process are used up per second.
func (b *Bounds) uses(l limit.Limit, pid int) (perS float64) {
	grows := b.private[pid]
	if l.Shared {
		grows = b.shared[l.Name]
	}
	for _, kind := range tracer.Kinds() { // in one order: sums of floats differ
		perS += grows[kind] * float64(l.Each[kind])
	}
	return perS
}

// Of lists what bounds the objects of some sites of one kind, each limit once and
// the one that is reached first at the top.
func (b *Bounds) Of(sites ...*verdict.Site) (all []Limit) {
	found := make(map[string]bool)
	type look struct {
		pid   int
		holds bool
	}
	looked := make(map[look]bool)
	add := func(kind tracer.Kind, p tracer.Process, holds bool) {
		if looked[look{p.PID, holds}] {
			return
		}
		looked[look{p.PID, holds}] = true
		for _, l := range b.limits[p.PID] {
			if l.Each[kind] > 0 && !found[l.Name] && (holds || l.Shared) {
				found[l.Name] = true
				all = append(all, newLimit(l, b.uses(l, p.PID)))
			}
		}
	}
	for _, s := range sites {
		for held := range holdings(s) {
			for _, p := range held.holders {
				add(s.Kind, p, true)
			}
			add(s.Kind, held.owner, false)
		}
	}
	sortLimits(all)
	return all
}

// sortLimits puts the limit first that is reached first.
func sortLimits(all []Limit) {
	slices.SortStableFunc(all, func(a, b Limit) int {
		return cmp.Or(cmp.Compare(a.wait(), b.wait()), cmp.Compare(b.Share(), a.Share()))
	})
}
