package tracer

import (
	"slices"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// borrower finds who has to close a socket that comes from a pool: not the one
// that connected it, but the last one that used it, as a frame of used. There
// is none when the socket was used by the one that created it, as far as the
// two stacks tell.
//
// Both stacks are followed from the root to where they part. Below that, a
// creator that is seen to use sockets is a borrower as well, of its own: so the
// last use is somebody else's. A creator that never uses any is a helper of
// whoever called it and uses what it made; unless that is only the function
// the thread began with, which drives everything.
func (ss *stacks) borrower(created, used *stack) (frame int, ok bool) {
	if !ss.borrowed(created, used) {
		return 0, false
	}
	// What most functions call is the client library that they share.
	u, seen := used.application, ss.callers[used.scope]
	frame, most := used.Site, 1
	for i := 1; i < len(u); i++ {
		if callers := len(seen.of(used.Frames[u[i]].Function)); callers > most {
			frame, most = int(u[i-1]), callers
		}
	}
	return frame, true
}

func (ss *stacks) borrowed(created, used *stack) bool {
	c, u := created.application, used.application
	parted := 0
	for parted < min(len(c), len(u)) && same(created.Frames[c[parted]], used.Frames[u[parted]]) {
		parted++
	}
	switch {
	case parted == len(u):
		return false // the last use was by a caller of the creator
	case parted < len(c) && (created.Frames[c[parted]].Function == "" || used.Frames[u[parted]].Function == ""):
		return false // without names two calls of one function look like two
	case parted < len(c):
		return parted <= 1 || len(ss.callers[created.scope].of(created.Frames[c[parted]].Function)) > 0
	}
	return len(c) == 0 // else it was created in the function that uses it
}

// callers is, for each application function of a scope on the way to the use of a
// socket, the functions it was called by. Other scopes are other programs: their
// functions may have the same names.
type callers struct {
	byFunction map[string]map[string]bool
	calls      int // from one function to another
}

// maxCalls is how many calls are known of a scope.
const maxCalls = 4096

// of lists the callers of a function: none unless it is on the way to a use.
func (c *callers) of(function string) map[string]bool {
	if c == nil {
		return nil
	}
	return c.byFunction[function]
}

func (c *callers) add(function, caller string) {
	known := c.byFunction[function]
	if known[caller] || c.calls >= maxCalls {
		return
	}
	if known == nil {
		known = make(map[string]bool)
		c.byFunction[function] = known
	}
	known[caller] = true
	c.calls++
}

// call notes who calls whom on the way to the use of a socket.
func (ss *stacks) call(used *stack) {
	seen := ss.callers[used.scope]
	if seen == nil {
		seen = &callers{byFunction: make(map[string]map[string]bool)}
		ss.callers[used.scope] = seen
	}
	caller := ""
	for _, i := range used.application {
		function := used.Frames[i].Function
		if function != "" && function != caller {
			seen.add(function, caller)
		}
		caller = function
	}
}

// application lists the frames that are the application's own, from the root.
func application(frames []symbol.Frame) (indexes []int32) {
	for i := len(frames) - 1; i >= 0; i-- {
		if symbol.Application(frames[i]) {
			indexes = append(indexes, int32(i))
		}
	}
	return slices.Clone(indexes)
}

// same tells whether two frames are activations of one function.
func same(a, b symbol.Frame) bool {
	if a.Function == "" {
		return a.Address == b.Address && a.Module == b.Module
	}
	return a.Function == b.Function && a.Module == b.Module
}

// origin is what makes an object belong to a site.
type origin struct {
	stack uint64
	role  Role
	frame int    // of the stack, where it is not the usual one; else -1
	group string // of objects without a stack: what they have in common
}

// origin decides which stack a socket is put down to.
func (b *builder) origin(s *socket, info *SocketInfo) origin {
	created, used := info.Creation, info.LastUse
	made := origin{stack: s.Birth.Stack, role: Created, frame: -1}
	switch {
	case created.unknown() && !used.unknown():
		return origin{stack: s.UseStack, role: LastUsed, frame: used.Site}
	case unsampled(s.Birth.Stack):
		return b.tracer.stacks.countedAt(CloseWait, s.Birth.Stack)
	case created.unknown():
		made.role, made.group = "", info.group()
	case s.Accepted == uint8(ledgerLeakAcceptedLEAK_ACCEPTED_AT_ACCEPT):
		made.role = Accepted
	case s.Accepted != 0:
		made.role = FirstUsed
	default:
		if frame := b.borrower(s.Birth.Stack, s.UseStack); frame >= 0 {
			return origin{stack: s.UseStack, role: LastUsed, frame: frame}
		}
	}
	return made
}

// borrower is that of stacks for two stacks by their ids: -1 if there is none.
// Of many sockets few have stacks that no other has.
func (b *builder) borrower(created, used uint64) int {
	key := [2]uint64{created, used}
	frame, known := b.borrowers[key]
	if known {
		return frame
	}
	frame = -1
	c, u := b.tracer.stacks.known[created], b.tracer.stacks.known[used]
	if c != nil && u != nil {
		if at, ok := b.tracer.stacks.borrower(c, u); ok {
			frame = at
		}
	}
	b.borrowers[key] = frame
	return frame
}
