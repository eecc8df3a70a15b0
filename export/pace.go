package export

import (
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// pace is how fast the sites that look like a leak grow, in objects per second:
// all of them, and what each process holds of that, by pid. A limit does not
// care which site fills it.
type pace struct {
	all map[tracer.Kind]float64
	of  map[int]map[tracer.Kind]float64
}

func newPace(sites []verdict.Site) pace {
	p := pace{map[tracer.Kind]float64{}, map[int]map[tracer.Kind]float64{}}
	for _, s := range sites {
		grows := s.GrowthPerS > 0 && (s.State == verdict.Leaking || s.State == verdict.Suspect)
		if s.Ended || !grows {
			continue
		}
		p.all[s.Kind] += s.GrowthPerS
		p.divide(s)
	}
	return p
}

// divide gives each process its share of a site's growth: that of the objects.
func (p pace) divide(s verdict.Site) {
	each := s.GrowthPerS / float64(len(s.Outstanding))
	for _, o := range s.Outstanding {
		for _, holder := range o.Responsible() {
			if p.of[holder.PID] == nil {
				p.of[holder.PID] = map[tracer.Kind]float64{}
			}
			p.of[holder.PID][s.Kind] += each
		}
	}
}

// uses is how many units of a limit of the process are used up per second.
func (p pace) uses(l limit.Limit, pid int) (perS float64) {
	grows := p.of[pid]
	if l.Shared {
		grows = p.all
	}
	for _, kind := range tracer.Kinds() { // in one order: sums of floats differ
		perS += grows[kind] * float64(l.Each[kind])
	}
	return perS
}
