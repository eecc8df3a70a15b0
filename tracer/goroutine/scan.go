package goroutine

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Most is how many goroutines are read of one process.
const Most = 1 << 20

// batch is how many of them are read at a time. The fewer, the sooner a goroutine is
// read once more after its stack.
const batch = 256

// Scan reads the process's goroutines, but those that have ended, in no order, and
// gives to each one after the other, as it was at some instant of the call. wants is
// asked before of which the stack is to be read: it may be nil for none.
//
// The stack is that of a goroutine that waits or is in a system call and has not run
// while it was read; of others it is nil. It is return addresses, innermost first:
// where it waits, where that function returns to, and so on to the function at which
// goroutines begin, or of a deep stack the first MostFrames. It is used again for the
// next.
//
// omitted is how many goroutines there may be beyond Most.
func (r *Runtime) Scan(wants func(*Goroutine) bool, each func(g *Goroutine, stack []uint64)) (omitted int, err error) {
	r.fresh = 0
	header := make([]byte, 24)
	if !read(r.memory, header, r.list) {
		return 0, fmt.Errorf("read the list of goroutines: %w", errMissing)
	}
	l := decodeList(header)
	if !l.plausible() {
		return 0, fmt.Errorf("read the list of goroutines: %w", ErrEarly)
	}
	n := min(l.len, Most)
	pointers := make([]byte, 8*batch)
	for i := uint64(0); i < n; i += batch {
		some := pointers[:8*min(batch, n-i)]
		if !read(r.memory, some, l.first+8*i) {
			return 0, fmt.Errorf("read the list of goroutines: %w", errMissing)
		}
		if err := r.scan(some, wants, each); err != nil {
			return 0, fmt.Errorf("read goroutines: %w", err)
		}
	}
	return int(l.len - n), nil
}

// scan reads a batch of goroutines, and the stacks that are wanted.
func (r *Runtime) scan(pointers []byte, wants func(*Goroutine) bool, each func(*Goroutine, []uint64)) error {
	r.pieces = r.pieces[:0]
	for ; len(pointers) > 0; pointers = pointers[8:] {
		r.pieces = append(r.pieces, piece(word(pointers, 0), r.layout.size()))
	}
	wanted := r.wanted[:0]
	err := r.heads(func(_ int, g Goroutine, ok bool) {
		switch {
		case !ok:
		case wants != nil && g.still() && wants(&g):
			wanted = append(wanted, g)
		default:
			each(&g, nil)
		}
	})
	if err != nil || len(wanted) == 0 {
		return err
	}
	r.wanted = wanted
	r.readTops(wanted)
	r.walkAll(wanted)
	r.pieces = r.pieces[:0]
	for i := range wanted {
		r.pieces = append(r.pieces, piece(wanted[i].address, r.layout.size()))
	}
	return r.heads(func(i int, g Goroutine, ok bool) {
		var stack []uint64
		if w := r.walks[i]; ok && g == wanted[i] && w.whole {
			stack = r.stacks[w.from:w.to]
		}
		each(&wanted[i], stack)
	})
}

// heads reads the goroutines at Runtime.pieces. The runtime gives back none: where one is
// missing the process has just ended, or its list was another while it was read, and none
// of this tells which goroutines there are.
func (r *Runtime) heads(each func(i int, g Goroutine, ok bool)) error {
	size := r.layout.size()
	there := r.there[:len(r.pieces)]
	if err := gather(r.memory, r.buffer, r.pieces, there); err != nil {
		return err
	}
	for i, p := range r.pieces {
		if !there[i] {
			return errMissing
		}
		g, ok := decode(r.buffer[i*size:][:size], uint64(p.Base), r.layout)
		each(i, g, ok)
	}
	return nil
}

// readTops reads the tops of stacks into Runtime.tops, one after the other.
func (r *Runtime) readTops(gs []Goroutine) {
	r.pieces = r.pieces[:0]
	for i := range gs {
		g := &gs[i]
		r.pieces = append(r.pieces, unix.RemoteIovec{Base: uintptr(g.SP), Len: int(min(topOf, g.high-g.SP))})
	}
	// A stack that is gone is that of a goroutine that ran.
	if gather(r.memory, r.tops, r.pieces, r.there[:len(gs)]) != nil {
		clear(r.there[:len(gs)])
	}
}
