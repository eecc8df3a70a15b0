package export

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// detail writes all there is to know of a site, behind its number and kind.
func (t text) detail(number string, s Site) {
	number += s.kind() + "  "
	t.line("%s%s", number, s.title(t.o.width()-len(number)))
	t.owner(s)
	blame := s.blame()
	for _, fact := range append(s.facts(t.r.Sampling != nil), blame, s.initHint()) {
		if fact != "" {
			t.sentence("    ", "%s", fact)
		}
	}
	if again := t.r.again(s); again != nil {
		t.line("    the same sort is created now, so likely these were, at %s", again.title(t.o.width()-58))
	}
	if len(s.Stack) > 0 {
		t.line("\n    %s (innermost call first)", roleTitles[s.Role])
		t.frames(s.Stack, s.SiteFrame)
		if note := qualityNotes[s.Quality]; note != "" {
			t.line("       %s", note)
		}
	}
	t.parked(s)
	t.related("created by", s, s.CreatedBy)
	t.related("last used by", s, s.LastUsedBy)
	t.samples(s, blame == "")
}

// facts are what is said of a site before its stack, one line each. Of a sampled
// site only the least is known.
func (s Site) facts(sampled bool) []string {
	facts := []string{fmt.Sprintf("%s: %s", s.State, Escape(s.Reason))}
	switch {
	case s.Replaced:
		facts[0] += "; its process has called exec since"
	case s.Ended:
		facts[0] += "; its process has ended since"
	}
	if s.Assumed != "" {
		facts = append(facts, "assuming "+Escape(s.Assumed))
	}
	if len(s.GrowsWith) > 0 {
		facts = append(facts, s.GrowsWith[0].String())
	}
	if near := s.bound(); near != "" {
		facts = append(facts, near)
	}
	if w, known := words[s.Kind]; known && s.Created > 0 {
		least := ""
		if sampled && s.Group != tracer.NotSampled {
			least = "at least "
		}
		facts = append(facts, fmt.Sprintf("while traced: %s%s %s, %s %s", least,
			humanCount(s.Created), w.created, humanCount(s.Released), w.released))
	}
	if len(s.Names) > 0 && s.Outstanding > 1 && s.Kind != tracer.Goroutine {
		facts = append(facts, "named "+s.named())
	}
	return facts
}

// String says what a site grows with: by 1.00 per accepted connection.
func (g GrowsWith) String() string {
	return fmt.Sprintf("grows by %.2f per %s (r = %.2f)", g.Per, cmp.Or(activities[g.Activity], Escape(g.Activity)), g.R)
}

// activities is the singular of what verdicts correlate with.
var activities = map[string]string{
	"accepted connections": "accepted connection",
	"calls of connect":     "call of connect",
	"forks":                "fork",
	"threads started":      "thread started",
}

// again finds the site that creates the like of objects older than tracing.
func (r *Report) again(s Site) *Site {
	i := slices.IndexFunc(r.Sites, func(other Site) bool {
		mine := other.Workload == s.Workload
		if other.Workload != nil && s.Workload != nil {
			mine = *other.Workload == *s.Workload
		}
		return mine && s.SeenAgain != "" && other.Fingerprint == s.SeenAgain && other.Kind == s.Kind
	})
	if i < 0 {
		return nil
	}
	return &r.Sites[i]
}

// named says what the objects are named, and how many of them: "Analytics" (1,204).
func (s Site) named() string {
	var names []string
	for _, n := range s.Names {
		names = append(names, fmt.Sprintf("%s (%s)", quote(n.Name), humanCount(n.Count)))
	}
	return enumerate(names)
}

// roleTitles say what a site's stack shows.
var roleTitles = map[tracer.Role]string{
	tracer.Created:   "created by",
	tracer.Accepted:  "accepted by",
	tracer.FirstUsed: "accepted, and first used by",
	tracer.LastUsed:  "last used by",
	tracer.Started:   "began at, and started by",
}

// frames writes a stack, leaf first, with an arrow at the frame to look at.
func (t text) frames(stack []symbol.Frame, site int) {
	for i, f := range stack {
		mark, inlined := "  ", ""
		if i == site {
			mark = "->"
		}
		if f.Inlined {
			inlined = " [inlined]"
		}
		t.line("    %s %s%s", mark, place(f), inlined)
	}
}

// related writes the most common other stack, unless it is the site's own.
func (t text) related(title string, s Site, all []Related) {
	if len(all) == 0 || slices.Equal(all[0].Stack, s.Stack) {
		return
	}
	if first := all[0]; first.Count < s.Outstanding {
		t.line("\n    %s of %s %s", humanCount(first.Count), humanCount(s.Outstanding), title)
	} else {
		t.line("\n    %s", title)
	}
	t.frames(all[0].Stack, all[0].SiteFrame)
}

// qualityNotes say what to mind when reading a stack.
var qualityNotes = map[tracer.Quality]string{
	tracer.FPUsed:    "(some frames found by frame pointer: a caller may be missing)",
	tracer.Truncated: "(truncated: outer callers are missing)",
	tracer.NoMapping: "(the last frame is in no known mapping: outer callers are missing)",
}
