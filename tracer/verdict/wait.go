package verdict

import (
	"fmt"

	"github.com/leaktrace/leaktrace/tracer"
)

// judgeWaits corrects the verdict on goroutines, which is by growth, by what they wait
// for.
func (h *History) judgeWaits(j *Site, r *record) {
	forever, io := 0, 0
	reason := ""
	j.Unreachable = h.unreachable(r)
	for _, o := range r.objects {
		g := o.now.Goroutine
		switch {
		case g == nil:
		case g.Forever && h.age(o) >= h.minAge && !keepsAlive(j, g):
			forever++
			reason = g.Reason
		case g.IO:
			io++
		}
	}
	switch {
	case forever > 0:
		j.State, j.Assumed = Leaking, ""
		j.Reason = fmt.Sprintf("%d of %d wait for what cannot come (%s)", forever, len(j.Outstanding), reason)
	case j.Unreachable.Goroutines > 0:
		j.Reason = also(j, fmt.Sprintf("%d of %d goroutines unreachable in the last %d scans: nothing in the program leads to what they wait for",
			j.Unreachable.Goroutines, len(j.Outstanding), j.Unreachable.Scans))
		j.State, j.Assumed = Leaking, ""
	case j.State == Leaking && 2*io > len(r.objects):
		j.State, j.Reason = Suspect, j.Reason+"; they may be as many open connections"
	}
}

// also adds evidence to that of growth, if there is some.
func also(j *Site, evidence string) string {
	if j.State != Leaking {
		return evidence
	}
	return j.Reason + "; " + evidence
}

// unreachable counts the goroutines of a site that are old enough and that nothing was
// found to lead to.
func (h *History) unreachable(r *record) (u Unreachable) {
	for _, o := range r.objects {
		if g := o.now.Goroutine; g != nil && g.Unreachable > 0 && h.age(o) >= h.minAge {
			if u.Goroutines++; u.Scans == 0 || g.Unreachable < u.Scans {
				u.Scans = g.Unreachable
			}
		}
	}
	return u
}

// keepsAlive tells the one goroutine that main starts to do nothing, as programs do
// that end by a signal.
func keepsAlive(j *Site, g *tracer.GoroutineInfo) bool {
	const first = 1 // the goroutine that runs main
	return g.Parent == first && g.Reason == "select (no cases)" && len(j.Outstanding) == 1
}
