package tracer

import (
	"slices"
	"weak"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// content is all of a symbolised stack but the address space it is in. On a node
// hundreds of processes run the same programs: their stacks share it.
type content struct {
	Stack
	application  []int32 // the frames that are the application's own, from the root
	fingerprints map[fingerprintKey]string
	// goThread tells that the Go runtime created a thread there.
	goThread bool
}

func newContent(known Stack) *content {
	return &content{
		known, application(known.Frames), make(map[fingerprintKey]string),
		slices.ContainsFunc(known.Frames, createsGoThread),
	}
}

// contents finds the content of stacks that are alike. What no stack refers to
// any more is left to the garbage collector.
type contents struct {
	byHash map[uint64]weak.Pointer[content]
	kept   int // how many were alive when they were last looked through
}

// of returns the content of a stack. The stack's frames may be used again.
func (c *contents) of(known Stack) *content {
	hash := uint64(len(known.Frames))
	for i := range known.Frames {
		hash = (hash ^ known.Frames[i].Address) * 0x9e3779b97f4a7c15
	}
	shared := c.byHash[hash].Value()
	if shared != nil && shared.Quality == known.Quality && slices.Equal(shared.Frames, known.Frames) {
		return shared
	}
	known.Frames = append([]symbol.Frame(nil), known.Frames...) // nil if there are none
	fresh := newContent(known)
	c.byHash[hash] = weak.Make(fresh)
	c.sweep()
	return fresh
}

// sweep forgets those that nothing refers to, once there may be many.
func (c *contents) sweep() {
	if len(c.byHash) < 2*c.kept+1024 {
		return
	}
	for hash, pointer := range c.byHash {
		if pointer.Value() == nil {
			delete(c.byHash, hash)
		}
	}
	c.kept = len(c.byHash)
}
