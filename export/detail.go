package export

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// detail writes all there is to know of a site that leaks, or may.
func (t text) detail(n int, s Site) {
	number := fmt.Sprintf("\n[%d] %s  ", n, s.Kind)
	t.line("%s%s", number, s.heading(t.o.width()-len(number)+1))
	blame := s.blame()
	for _, fact := range append(s.facts(), blame, s.initHint()) {
		if fact != "" {
			t.line("    %s", fact)
		}
	}
	if again := t.r.again(s); again != nil {
		t.line("    the same sort is created now, so likely these were, at %s", again.heading(t.o.width()-58))
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

// facts are what is said of a site before its stack, one line each.
func (s Site) facts() []string {
	facts := []string{fmt.Sprintf("%s: %s", s.State, s.Reason)}
	if s.Ended {
		facts[0] += "; its process has ended since"
	}
	if s.Assumed != "" {
		facts = append(facts, "assuming "+s.Assumed)
	}
	if len(s.GrowsWith) > 0 {
		facts = append(facts, s.GrowsWith[0].String())
	}
	facts = append(facts, s.bound()...)
	if s.Created > 0 {
		w := words[s.Kind]
		facts = append(facts, fmt.Sprintf("while traced: %s %s, %s %s",
			humanCount(s.Created), w.created, humanCount(s.Released), w.released))
	}
	if len(s.Names) > 0 && s.Outstanding > 1 {
		facts = append(facts, "called "+s.called())
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
		return s.SeenAgain != "" && other.Fingerprint == s.SeenAgain && other.Kind == s.Kind
	})
	if i < 0 {
		return nil
	}
	return &r.Sites[i]
}

// called says what the objects are called: 1,204 x "Analytics".
func (s Site) called() string {
	var names []string
	for _, n := range s.Names {
		names = append(names, fmt.Sprintf("%s x %s", humanCount(n.Count), quote(n.Name)))
	}
	return enumerate(names)
}

// roleTitles say what a site's stack shows.
var roleTitles = map[tracer.Role]string{
	tracer.Created:   "created by",
	tracer.FirstUsed: "accepted, and first used by",
	tracer.LastUsed:  "last used by",
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

// samples writes the oldest objects.
func (t text) samples(s Site, withBlame bool) {
	shown := s.Samples[:min(len(s.Samples), t.o.samples())]
	switch {
	case len(shown) == 0:
		return
	case len(shown) == 1 && s.Outstanding > 1:
		t.line("\n    the oldest of %s", humanCount(s.Outstanding))
	case len(shown) < s.Outstanding:
		t.line("\n    the oldest %d of %s", len(shown), humanCount(s.Outstanding))
	default:
		t.line("\n    all of them")
	}
	for _, sample := range shown {
		parts := sample.describe(s.Kind)
		if withBlame && sample.ChildSample != nil {
			parts = append(parts, sample.blame())
		}
		if sample.BeforeTracing && !s.unseen() {
			parts = append(parts, "created before tracing")
		}
		t.wrap(parts)
	}
}

// unseen tells that the heading already says the objects precede tracing.
func (s Site) unseen() bool { return s.SiteFrame < 0 }

// wrap writes the parts as one paragraph, broken only between parts.
func (t text) wrap(parts []string) {
	const indent = "       "
	line := indent
	for i, part := range parts {
		if part == "" {
			continue
		}
		if i < len(parts)-1 {
			part += ","
		}
		full := utf8.RuneCountInString(line)+1+utf8.RuneCountInString(part) > t.o.width()
		switch {
		case line == indent:
			line += part
		case full:
			t.line("%s", line)
			line = indent + "    " + part
		default:
			line += " " + part
		}
	}
	t.line("%s", line)
}

func (s Sample) describe(kind tracer.Kind) []string {
	age := humanAge(s.AgeS)
	switch {
	case s.ChildSample != nil:
		return []string{fmt.Sprintf("pid %d %s", s.PID, quote(s.Name)), s.ended(), age + " ago"}
	case s.SocketSample != nil:
		return s.socket(age)
	case kind == tracer.UnjoinedThread:
		return []string{fmt.Sprintf("tid %d %s", s.TID, quote(s.Name)), "ended " + age + " ago"}
	default:
		return []string{fmt.Sprintf("tid %d %s", s.TID, quote(s.Name)), "alive for " + age}
	}
}

func (s ChildSample) ended() string {
	if s.Signal == 0 && s.ExitCode < 0 {
		return "ended"
	}
	if s.Signal == 0 {
		return fmt.Sprintf("exited with status %d", s.ExitCode)
	}
	name := unix.SignalName(unix.Signal(s.Signal))
	return "killed by " + cmp.Or(name, fmt.Sprintf("signal %d", s.Signal))
}

func (s *SocketSample) socket(age string) []string {
	eof := "EOF not read"
	if s.EOFRead {
		eof = "EOF read"
	}
	unread := humanCount(s.Unread) + " bytes unread"
	if s.Unread == 0 {
		unread = "nothing unread"
	}
	parts := []string{
		"local " + cmp.Or(s.Local, "unknown"), "peer " + cmp.Or(s.Remote, "unknown"),
		"peer closed " + age + " ago", unread, eof,
	}
	if s.IdleS != nil {
		parts = append(parts, "last used "+humanAge(*s.IdleS)+" ago")
	}
	if s.Peer != nil {
		parts = append(parts, "the other end is "+s.Peer.String())
	}
	return append(parts, s.heldBy())
}

// heldBy says who would have to close the socket.
func (s *SocketSample) heldBy() string {
	var all []string
	for _, h := range slices.Concat(s.Holders, s.Listeners) {
		all = append(all, h.String())
	}
	switch {
	case len(s.Listeners) > 0:
		return "never accepted, listener " + enumerate(all)
	case len(all) == 0:
		return "holder unknown"
	}
	return enumerate(all)
}

// String names a descriptor in a sentence.
func (h *Holder) String() string { return fmt.Sprintf("fd %d of %s", h.FD, &h.Process) }

// String names a process in a sentence.
func (p *Process) String() string {
	if p == nil {
		return "a process not known"
	}
	return fmt.Sprintf("%s (pid %d)", Escape(p.Comm), p.PID)
}

// blame says who must reap a child: not the one that forked it once that one
// has ended.
func (s ChildSample) blame() string {
	if s.ForkedBy != nil && s.Reaper != nil && *s.ForkedBy == *s.Reaper {
		return "must be reaped by " + s.Reaper.String() + ", which forked it"
	}
	return "must be reaped by " + s.Reaper.String() + ", was forked by " + s.ForkedBy.String()
}

// initHint says what to do where the pid 1 of a container does not reap.
func (s Site) initHint() string {
	for _, sample := range s.Samples {
		if c := sample.ChildSample; c != nil && c.ReaperIsInit && c.Reaper.PID != 1 {
			return c.Reaper.String() + " is pid 1 of its container and does not reap: give it an init (docker run --init, tini)"
		}
	}
	return ""
}

// blame is said once where it is the same for all children.
func (s Site) blame() string {
	said := ""
	for _, sample := range s.Samples {
		if sample.ChildSample == nil {
			return ""
		}
		if b := sample.blame(); said == "" {
			said = b
		} else if b != said {
			return ""
		}
	}
	if s.Outstanding == 1 {
		return said
	}
	return strings.Replace(strings.Replace(said, "which forked it", "which forked them", 1), "was forked", "were forked", 1)
}
