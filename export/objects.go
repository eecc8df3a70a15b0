package export

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

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
		parts := sample.describe(s.Kind, s.Ended)
		if withBlame && sample.ChildSample != nil {
			parts = append(parts, sample.blame(s.Ended))
		}
		if sample.BeforeTracing && !s.unseen() {
			parts = append(parts, "created before tracing")
		}
		t.wrap(parts)
	}
}

// unseen tells that the heading already says the objects precede tracing.
func (s Site) unseen() bool { return s.SiteFrame < 0 }

func (s Sample) describe(kind tracer.Kind, ended bool) []string {
	age := humanAge(s.AgeS)
	if s.atLeast(kind) {
		age = "at least " + age
	}
	switch {
	case s.ChildSample != nil:
		return []string{fmt.Sprintf("pid %d %s", s.PID, quote(s.Name)), s.ended(), age + " ago"}
	case s.SocketSample != nil:
		return s.socket(age)
	case s.GoroutineSample != nil:
		return s.wait(age)
	case s.ThreadSample == nil: // of a kind that this version does not know
		return []string{quote(s.Name), "outstanding for " + age}
	case kind == tracer.UnjoinedThread:
		return []string{fmt.Sprintf("tid %d %s", s.TID, quote(s.Name)), "ended " + age + " ago"}
	case ended:
		return []string{fmt.Sprintf("tid %d %s", s.TID, quote(s.Name)), "was alive for " + age}
	default:
		return []string{fmt.Sprintf("tid %d %s", s.TID, quote(s.Name)), "alive for " + age}
	}
}

// wait describes a goroutine. What it began at is in the stack of its site.
func (s *GoroutineSample) wait(age string) []string {
	said := []string{
		fmt.Sprintf("goroutine %d", s.Goroutine), Escape(cmp.Or(s.WaitReason, "waiting")) + " for " + age,
		fmt.Sprintf("started by goroutine %d", s.Parent),
	}
	if s.Unreachable {
		said = append(said, "unreachable")
	}
	return said
}

// atLeast tells that the age is a lower bound: of what is older than tracing,
// only when threads began is known.
func (s Sample) atLeast(kind tracer.Kind) bool { return s.BeforeTracing && kind != tracer.Thread }

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
		"local " + cmp.Or(Escape(s.Local), "unknown"), "peer " + cmp.Or(Escape(s.Remote), "unknown"),
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
func (s ChildSample) blame(ended bool) string {
	must := "must be reaped by "
	if ended {
		must = "was to be reaped by "
	}
	if s.ForkedBy != nil && s.Reaper != nil && *s.ForkedBy == *s.Reaper {
		return must + s.Reaper.String() + ", which forked it"
	}
	return must + s.Reaper.String() + ", was forked by " + s.ForkedBy.String()
}

// initHint says what to do where the pid 1 of a container does not reap.
func (s Site) initHint() string {
	for _, sample := range s.Samples {
		if c := sample.ChildSample; c != nil && c.ReaperIsInit && c.Reaper != nil && c.Reaper.PID != 1 {
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
		if b := sample.blame(s.Ended); said == "" {
			said = b
		} else if b != said {
			return ""
		}
	}
	if s.Outstanding == 1 {
		return said
	}
	return plurals.Replace(said)
}

// plurals make of what is said of one child what is said of several.
var plurals = strings.NewReplacer(
	"was to be reaped", "were to be reaped", ", which forked it", ", which forked them", ", was forked", ", were forked",
)
