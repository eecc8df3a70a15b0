package verdict

import (
	"cmp"
	"fmt"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// released says what did not happen to an object that is outstanding too long.
var released = map[tracer.Kind]string{
	tracer.Zombie:         "reaped",
	tracer.UnjoinedThread: "joined",
	tracer.CloseWait:      "closed",
}

// short rounds a duration to what a reader cares for.
func short(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func falls(from, to int) string { return fmt.Sprintf("falls from %d to %d", from, to) }

// scantReason is short: reports say how long the run was, and their tables have
// little room.
const scantReason = "not enough evidence yet"

func (h *History) describeYoung() string { return "all younger than " + short(h.minAge) }

// birth is the point of the axis at which the survivors of a climb began to be
// born: when the site held least, of the time in which they can have been.
func (h *History) birth(r *record, g growth) int {
	at := 0
	for at < g.from && h.axis.ends[at+1] <= g.start-g.survivors {
		at++
	}
	lows := r.column(&h.axis, func(p *point) float64 { return float64(p.low) })
	return lowest(lows[:g.from+1], at)
}

// describeGrowth says how a site grew, all in all or, where most of what it
// creates is given back, by what stays.
func (h *History) describeGrowth(r *record, g growth) string {
	from := h.birth(r, g)
	over := short(h.axis.ends[len(h.axis.ends)-1] - h.axis.ends[from])
	var ended uint32
	for i := from + 1; i < len(h.axis.ends); i++ {
		ended += r.at(&h.axis, i).released
	}
	last := r.last()
	what := fmt.Sprintf("grew from %d to %d in %s", r.at(&h.axis, from).low, last.last, over)
	if float64(ended) > g.gain {
		what = fmt.Sprintf("those older than %s grew from %.0f to %.0f in %s",
			short(g.survivors), g.first, g.first+g.gain, over)
	}
	if g.state == Leaking {
		return what + " and did not stop"
	}
	return what + ", " + g.lack
}

// assumedOf says what the verdict on what lives takes for granted.
func assumedOf(k tracer.Kind, g growth, r *record) string {
	what, end, younger := "threads older than %s do not end by themselves", "end", "younger than"
	if k == tracer.Goroutine {
		what, end, younger = "goroutines that wait for longer than %s do not go on by themselves", "go on", "waiting for less than"
	}
	what = fmt.Sprintf("that "+what+": ", short(g.survivors))
	switch {
	case r.lives.total == 0:
		return what + "none was seen to " + end
	case g.usual:
		return what + fmt.Sprintf("nearly all seen to %s were %s %s", end, younger, short(r.lives.usual()))
	default:
		return what + fmt.Sprintf("only %d were seen to %s", r.lives.total, end)
	}
}

func describeOverdue(j *Site, overdue int, threshold time.Duration) string {
	return fmt.Sprintf("%d of %d not %s for %s or longer", overdue, len(j.Outstanding),
		cmp.Or(released[j.Kind], "released"), short(threshold))
}

// assumedOfAge says what a verdict by age takes for granted.
func assumedOfAge(k tracer.Kind, threshold time.Duration) string {
	switch k {
	case tracer.Zombie:
		return fmt.Sprintf("that nobody reaps in rounds of more than %s", short(threshold))
	case tracer.UnjoinedThread:
		return fmt.Sprintf("that nobody means to join after more than %s", short(threshold))
	default:
		return fmt.Sprintf("that a connection the peer closed %s ago and nobody uses is not needed", short(threshold))
	}
}

// describeExcused says why objects older than min-age accuse nobody.
func describeExcused(j *Site, r *record, threshold, minAge time.Duration) string {
	if threshold > minAge {
		return fmt.Sprintf("usually %s within %s", cmp.Or(released[j.Kind], "released"), short(r.lives.usual()))
	}
	return "in use: read or written within " + short(minAge)
}

// describeLevel says how a site that does not grow moved.
func (h *History) describeLevel(r *record) string {
	end := h.axis.ends[len(h.axis.ends)-1]
	whole, recent := *r.at(&h.axis, 0), *r.last()
	for i := range h.axis.ends {
		p := r.at(&h.axis, i)
		whole.low, whole.high = min(whole.low, p.low), max(whole.high, p.high)
		if h.axis.ends[i] > end-(end-h.axis.ends[0])/quarters {
			recent.low, recent.high = min(recent.low, p.low), max(recent.high, p.high)
		}
	}
	switch {
	case whole.low == whole.high:
		return fmt.Sprintf("stays at %d", whole.high)
	case recent.low == recent.high:
		return fmt.Sprintf("settled at %d", recent.high)
	default:
		return fmt.Sprintf("moves between %d and %d", whole.low, whole.high)
	}
}
