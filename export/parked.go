package export

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// maxParked bounds the places where a site's threads are said to be stuck.
const maxParked = 5

// Parked is so many threads or goroutines of a site that are blocked at one place now.
type Parked struct {
	Count int `json:"count"`
	// Reason is why goroutines wait; empty for threads.
	Reason string `json:"reason,omitempty"`
	// Running threads are at no place: they were running.
	Running   bool           `json:"running"`
	Site      Place          `json:"site"`
	SiteFrame int            `json:"site_frame"`
	Stack     []symbol.Frame `json:"stack"`
}

// parked picks a site's threads out of all that were looked at.
func (b *builder) parked(s verdict.Site) (all []Parked) {
	if s.Kind == tracer.Goroutine {
		return waits(s.Outstanding)
	}
	if s.Kind != tracer.Thread || len(b.groups) == 0 {
		return nil
	}
	counts := make([]int, len(b.run.Parked))
	for _, o := range s.Outstanding {
		if i, looked := b.groups[o.ID]; looked {
			counts[i]++
		}
	}
	for i, group := range b.run.Parked {
		if counts[i] == 0 || len(all) == maxParked {
			continue
		}
		p := newParked(counts[i], group.Stack)
		p.Running = group.Running
		all = append(all, p)
	}
	return all
}

func newParked(count int, stack tracer.Stack) Parked {
	p := Parked{Count: count, SiteFrame: stack.Site, Stack: append([]symbol.Frame{}, stack.Frames...)}
	if i := p.SiteFrame; i >= 0 {
		p.Site = newPlace(p.Stack[i])
	}
	return p
}

// waits groups goroutines by where and why they wait.
func waits(objects []tracer.Object) (all []Parked) {
	type place struct {
		stack  *tracer.Stack
		reason string
	}
	counts := make(map[place]int)
	var last place
	n := 0 // in a row: most are
	for i := range objects {
		g := objects[i].Goroutine
		if g == nil || g.Parked == nil {
			continue
		}
		if at := (place{g.Parked, g.Reason}); at != last {
			counts[last] += n
			last, n = at, 0
		}
		n++
	}
	counts[last] += n
	delete(counts, place{})
	for at, n := range counts {
		p := newParked(n, *at.stack)
		p.Reason = at.reason
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Parked) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Site.Line, b.Site.Line))
	})
	return all[:min(len(all), maxParked)]
}

// parked writes where the threads are stuck: of most of those that are, the
// stack, of the others a line.
func (t text) parked(s Site) {
	stuck := slices.IndexFunc(s.Parked, func(p Parked) bool { return !p.Running })
	for i, p := range s.Parked {
		switch {
		case p.Running:
			t.line("\n    %s", p.among(s))
		case i == stuck:
			t.line("\n    %s in", p.among(s))
			t.frames(p.Stack, p.SiteFrame)
		default:
			t.line("\n    %s in %s", p.among(s), blockedIn(p, t.o.width()))
		}
	}
}

// among says how many of a site's these are, that they run or are blocked, and why:
// 88 goroutines are blocked now (chan send).
func (p Parked) among(s Site) string {
	is, are, when := " is ", " are ", " now"
	if s.Ended {
		is, are, when = " was ", " were ", " last"
	}
	kind := s.kind()
	said := plural(p.Count, kind+is, kind+"s"+are)
	if p.Running {
		return said + "running" + when
	}
	said += "blocked" + when
	if p.Reason != "" {
		said += " (" + Escape(p.Reason) + ")"
	}
	return said
}

// blockedIn names a place by the application's function and the call it is in.
func blockedIn(p Parked, width int) string {
	const around = 40 // columns that the rest of the line takes
	if p.SiteFrame < 0 {
		return "an unknown place"
	}
	said := placeIn(p.Stack[p.SiteFrame], max(20, width-around))
	if p.SiteFrame > 0 {
		said += fmt.Sprintf(", in %s", Escape(frameName(p.Stack[p.SiteFrame-1])))
	}
	return said
}
