package verdict

import (
	"math"
	"time"
)

const (
	// enough is how many minimal ages a climb must last, from the birth of the
	// first object that survives. That of older survivors must last a part of
	// their age as well: a pool that filled in a moment climbs past every age.
	enough = 4
	// inFlight is how many usual lifetimes an object may be old before it
	// counts against its site.
	inFlight = 2
	// share and rare bound the turnover of survivors as a part of their growth:
	// where the usual lifetime is known and far exceeded, and where it is not.
	share, rare = 1. / 5, 1. / 32
	// exception is which part of the objects that reached an age may have
	// ended later in the whole run, for the age to be one that few outlive;
	// weak is the same for a suspicion.
	exception, weak = 1. / 5, 1. / 2
)

// growth is the evidence on a site of live threads.
type growth struct {
	climb
	state State // Leaking, Suspect or Steady
	// survivors is the age its objects have all passed, and usual tells that
	// it is far beyond the lifetime of those that ended.
	survivors time.Duration
	usual     bool
	// lack is what a suspect lacks.
	lack string
}

// growth looks for survivors that become more and do not die, older than ever
// higher ages. The lowest at which there is a clear rise decides: survivors of
// higher ones go on rising for a while after growth has stopped.
func (h *History) growth(r *record) growth {
	best := growth{state: Steady}
	for k := range ages {
		if r.last().survivors[k] < minNotable {
			break
		}
		settled := false
		counts := r.column(&h.axis, func(p *point) float64 { return float64(p.survivors[k]) })
		climbs(&h.axis, counts, func(c climb) bool {
			g := h.weigh(r, k, c)
			switch {
			case g.state != Steady && c.stopped(r.lag(c, k, h.base)):
				settled = true
			case worse(g.state, best.state):
				best = g
			}
			return best.state != Leaking
		})
		if best.state == Leaking {
			return best
		}
		if settled {
			return growth{state: Steady}
		}
	}
	return best
}

// lag is for how long nothing was born that may survive beyond a threshold of
// age. The survivors themselves tell of a stop only when that time has passed.
func (r *record) lag(c climb, k int, base time.Duration) time.Duration {
	last := r.last()
	younger := float64(last.last - min(last.last, last.before+last.survivors[k]))
	if younger > c.slope*(base<<k).Seconds()/patience/2 {
		return 0
	}
	return base << k
}

// weigh judges one climb of the objects older than one threshold.
func (h *History) weigh(r *record, k int, c climb) growth {
	g := growth{climb: c, state: Steady, survivors: h.base << k}
	died, turnover := h.turnover(r, k, c)
	noise := math.Sqrt(2 * turnover)
	more, least := 1.0, minNotable+deviations/2*noise
	if others := c.first + float64(r.at(&h.axis, c.from).before); others >= c.gain {
		// New ones may replace these.
		more = besides
		least = max(least, died+minNotable+besides*math.Sqrt(c.gain+died))
	}
	if c.trend.Z < noticeable || c.gain < least {
		return g
	}
	usual := r.lives.usual()
	g.usual = usual > 0 && g.survivors/inFlight >= usual
	if !g.usual && r.outlived(k) > weak {
		return g
	}
	if !g.usual && r.died[0] > 0 {
		more = max(more, mortal)
	}
	g.state = Suspect
	switch {
	case c.trend.Over < max(enough*h.minAge-h.base, g.survivors/inFlight) || c.trend.Snapshots < strongWindows:
		g.lack = "not for long enough to tell"
	case c.gain < more*minGain+deviations*noise:
		g.lack = "too few to tell"
	case c.trend.Z < significant || !c.even:
		g.lack = "ever more slowly or in bursts"
	case !r.immortal(k, g.usual, died, c.gain):
		g.lack = "some of them end"
	default:
		g.state = Leaking
	}
	return g
}

// turnover is how many objects beyond a threshold of age died during a climb,
// and how many may have to be reckoned with: the rate of the whole run tells
// when that there were few was luck. Where births and deaths balance, about as
// many were born, and the difference of the two has a variance of their sum.
func (h *History) turnover(r *record, k int, c climb) (died, turnover float64) {
	exposure := 0.0
	for i := c.from + 1; i < len(h.axis.ends); i++ {
		p := r.at(&h.axis, i)
		died += float64(p.died[k])
		exposure += float64(p.survivors[k]+p.before) * h.axis.length(i).Seconds()
	}
	if r.exposure[k] == 0 {
		return died, died
	}
	// More than this would not have come down to so few by luck.
	luck := died + deviations*math.Sqrt(died) + deviations*deviations/2
	return died, max(died, min(luck, float64(r.died[k])/r.exposure[k]*exposure))
}

// immortal tells whether the objects beyond a threshold of age do not end, as
// far as can be known.
func (r *record) immortal(k int, usual bool, died, gain float64) bool {
	if usual {
		return died <= share*gain
	}
	return r.outlived(k) <= exception && died <= rare*gain
}

// outlived is which part of the objects that reached a threshold of age in the
// whole run have ended since.
func (r *record) outlived(k int) float64 {
	last := r.last()
	late := float64(r.died[k])
	return late / max(1, late+float64(last.survivors[k]+last.before))
}

// drains tells whether a count falls from a peak and goes on falling, and from
// where.
func (h *History) drains(r *record, count func(p *point) float64) (peak int, draining bool) {
	counts := r.column(&h.axis, func(p *point) float64 { return -count(p) })
	last := count(r.last())
	climbs(&h.axis, counts, func(c climb) bool {
		high := -counts[c.from]
		clear := c.trend.Z >= significant || (c.trend.Z >= noticeable && last <= high/2)
		// The number of independent lives has its own root as deviation.
		if clear && !c.stopped(0) && c.gain >= max(minNotable, deviations*math.Sqrt(high)) {
			peak, draining = int(high), true
		}
		return !draining
	})
	return peak, draining
}

// all and old are the counts that may drain.
func all(p *point) float64 { return float64(p.high) }
func old(p *point) float64 { return float64(p.survivors[0] + p.before) }

// threshold is the age from which on an object accuses a site where age alone
// does: min-age, or longer where objects are given back in longer rounds.
func (h *History) threshold(r *record, past int) time.Duration {
	// A single old one that ends does not excuse those that stay.
	if r == nil || r.died[0] < uint64(max(past, 1)) {
		return h.minAge
	}
	usual := min(r.lives.usual(), (1<<62)/inFlight)
	return max(h.minAge, inFlight*usual)
}

// overdue counts the objects that are older than a threshold and not in use, if
// use can be known.
func (h *History) overdue(objects []*object, threshold time.Duration) (n int) {
	for _, o := range objects {
		if h.age(o) >= threshold && h.idle(o) >= h.minAge {
			n++
		}
	}
	return n
}
