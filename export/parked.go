package export

import (
	"fmt"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// maxParked bounds the places where a site's threads are said to be stuck.
const maxParked = 5

// Parked is so many threads of a site that are blocked at one place now.
type Parked struct {
	Count int `json:"count"`
	// Running threads are at no place: they were running.
	Running   bool           `json:"running"`
	Site      Place          `json:"site"`
	SiteFrame int            `json:"site_frame"`
	Stack     []symbol.Frame `json:"stack"`
}

// parked picks a site's threads out of all that were looked at.
func (b *builder) parked(s verdict.Site) (all []Parked) {
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
		p := Parked{
			Count: counts[i], Running: group.Running,
			SiteFrame: group.Stack.Site, Stack: append([]symbol.Frame{}, group.Stack.Frames...),
		}
		if i := p.SiteFrame; i >= 0 {
			p.Site = newPlace(p.Stack[i])
		}
		all = append(all, p)
	}
	return all
}

// parked writes where the threads are stuck: of most of those that are, the
// stack, of the others a line.
func (t text) parked(s Site) {
	one, many, when := "thread is", "threads are", "now"
	if s.Ended {
		one, many, when = "thread was", "threads were", "last"
	}
	stuck := slices.IndexFunc(s.Parked, func(p Parked) bool { return !p.Running })
	for i, p := range s.Parked {
		who := plural(p.Count, one, many)
		switch {
		case p.Running:
			t.line("\n    %s running %s", who, when)
		case i == stuck:
			t.line("\n    %s blocked %s in", who, when)
			t.frames(p.Stack, p.SiteFrame)
		default:
			t.line("\n    %s blocked %s in %s", who, when, blockedIn(p, t.o.width()))
		}
	}
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
