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
	case j.State == Leaking && 2*io > len(r.objects):
		j.State, j.Reason = Suspect, j.Reason+"; they may be as many open connections"
	}
}

// keepsAlive tells the one goroutine that main starts to do nothing, as programs do
// that end by a signal.
func keepsAlive(j *Site, g *tracer.GoroutineInfo) bool {
	const first = 1 // the goroutine that runs main
	return g.Parent == first && g.Reason == "select (no cases)" && len(j.Outstanding) == 1
}
