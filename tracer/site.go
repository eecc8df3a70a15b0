package tracer

import (
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// Quality says how far a stack can be trusted.
type Quality string

// The qualities, from best to worst.
const (
	// Complete stacks reached the root by unwind tables alone.
	Complete Quality = "complete"
	// FPUsed stacks reached the root, but at least one frame without unwind
	// tables (JIT code, hand-written assembly) was crossed by frame pointer.
	FPUsed Quality = "fp-used"
	// Truncated stacks end before the root.
	Truncated Quality = "truncated"
	// NoMapping stacks end at an address no known mapping covers.
	NoMapping Quality = "no-mapping"
	// NoStack marks objects whose creation was not seen or not captured.
	NoStack Quality = "no-stack"
)

// Stack is a symbolised user stack.
type Stack struct {
	// Frames is leaf first: the system call wrapper, then its callers.
	Frames []symbol.Frame
	// Site indexes the frame a user would fix: the first one that belongs to
	// the application. It is -1 when Frames is empty.
	Site int
	// Quality says how the frames were found.
	Quality Quality
}

// unknown tells that nothing is known of a stack.
func (s *Stack) unknown() bool { return s == nil || len(s.Frames) == 0 }

// Site is all that one creation stack created of one kind.
type Site struct {
	Kind Kind
	// Scope is whose objects these are.
	Scope Scope
	// Fingerprint is stable across restarts, rebuilds and moves of code: it
	// is made of kind, module names and application function names.
	Fingerprint string
	// Stack is where the objects were created; its Quality is NoStack and its
	// Frames are empty for objects whose creation was not seen.
	Stack Stack
	// Role says what Stack shows of the objects.
	Role Role
	// Group is what the objects of a site without a stack have in common: their
	// name, with N for numbers in it, or the service they are connected to.
	Group string
	// SeenAgain is, where the objects are older than tracing, the fingerprint of
	// a site that has created the same sort of objects since; else empty.
	SeenAgain string
	// Created and Released count objects since tracing began: children forked
	// and reaped; threads started and ended; threads ended, and joined, detached or
	// still running when their process ended (one that was not joined then is in
	// neither of Released and Outstanding); sockets opened and closed; goroutines that
	// began to wait for longer than a look takes, and that went on.
	Created, Released uint64
	// Outstanding is every object in the state the kind is named for, oldest
	// first.
	Outstanding []Object
}

// Role is what a site's stack did with the objects of the site.
type Role string

// The roles. The zero value is for sites without a stack.
const (
	// Created is where the objects were created.
	Created Role = "created"
	// Accepted is where sockets were accepted.
	Accepted Role = "accepted"
	// FirstUsed is where accepted sockets were first read or written: not every
	// kernel lets accept itself be seen.
	FirstUsed Role = "first-used"
	// LastUsed is where sockets were last read or written, and by another path
	// than created them: they come from a pool, and the one who has to give
	// them back is the last borrower.
	LastUsed Role = "last-used"
	// Started is the function that goroutines began at and the go statement that
	// started them. Of who called the latter nothing is kept.
	Started Role = "started"
)
