package goroutine

const (
	// topOf is how much of each stack is read at first; few have more frames.
	topOf = 1024
	// furtherAt is how much is read at a time of a stack that has.
	furtherAt = 16 << 10
	// MostFrames is how many frames of a stack are read.
	MostFrames = 128
	// maxRemembered is how many places of the program are remembered, and maxFresh how
	// many are looked up in one scan: a table of a few bytes says it, but a corrupt one
	// may be long.
	maxRemembered, maxFresh = 1 << 16, 1 << 10
)

// frame is how to get from a frame to its caller's.
type frame struct {
	delta   uint64
	top, ok bool
}

// frame looks up the frame at pc.
func (r *Runtime) frame(pc uint64) frame {
	f, known := r.frames[pc]
	if known {
		return f
	}
	if r.fresh++; r.fresh > maxFresh {
		return f
	}
	if at, ok := r.program.Table.Frame(pc - r.program.Bias); ok {
		f = frame{at.Delta, at.Top, true}
	}
	if len(r.frames) == maxRemembered {
		clear(r.frames)
	}
	r.frames[pc] = f
	return f
}

// walked is where in Runtime.stacks a stack is.
type walked struct {
	from, to int
	// whole tells that it did not break off, as one does that changes meanwhile.
	whole bool
}

// walkAll walks the stacks whose tops were read.
func (r *Runtime) walkAll(gs []Goroutine) {
	r.stacks, r.walks = r.stacks[:0], r.walks[:0]
	at := 0
	for i := range gs {
		w := walked{from: len(r.stacks)}
		size := r.pieces[i].Len
		if r.there[i] {
			r.window = window{r.memory, gs[i].SP, r.tops[at : at+size], gs[i].high, r.window.further}
			w.whole = r.walk(&gs[i])
		}
		at += size
		w.to = len(r.stacks)
		r.walks = append(r.walks, w)
	}
}

// walk appends a stack to Runtime.stacks. It tells whether that goes to the function
// at which goroutines begin, or is of as many frames as are wanted.
func (r *Runtime) walk(g *Goroutine) bool {
	pc, sp := g.PC, g.SP
	for range MostFrames {
		f := r.frame(pc)
		if !f.ok {
			return false
		}
		r.stacks = append(r.stacks, pc)
		if f.top {
			return true
		}
		var ok bool
		if pc, ok = r.window.word(returnAt(sp, f.delta)); !ok {
			return false
		}
		sp = callerSP(sp, f.delta)
	}
	return true
}

// window is the part of a stack that was read.
type window struct {
	memory  Memory
	base    uint64
	bytes   []byte
	high    uint64
	further []byte // room for more
}

// word is the word of the stack at an address; the window moves there.
func (w *window) word(address uint64) (uint64, bool) {
	if address < w.base || address >= w.high || w.high-address < 8 {
		return 0, false
	}
	if off := address - w.base; off+8 <= uint64(len(w.bytes)) {
		return word(w.bytes, off), true
	}
	if w.further == nil {
		w.further = make([]byte, furtherAt)
	}
	b := w.further[:min(furtherAt, w.high-address)]
	n, _ := w.memory.Read(b, piece(address, len(b)))
	if n < 8 {
		return 0, false
	}
	w.base, w.bytes = address, b[:n]
	return word(w.bytes, 0), true
}
