package goroutine

import "golang.org/x/sys/unix"

// markRoom is how many bytes are read at a time.
const markRoom = 256 << 10

// part is memory that is to be looked through.
type part struct {
	section
	// mask tells which of its words are pointers, and first is the number in it of the
	// first of them.
	mask  *mask
	first uint64
}

// reader reads memory that is to be looked through, as much of it as limits allow.
type reader struct {
	memory Memory
	limits Limits
	queue  []part

	parts  []part // those that are read now
	pieces []unix.RemoteIovec
	there  []bool
	buffer []byte
}

func newReader(m Memory, limits Limits) *reader {
	return &reader{memory: m, limits: limits, there: make([]bool, maxPieces), buffer: make([]byte, markRoom)}
}

// add has the words of a part of the memory read.
func (r *reader) add(p part) {
	p.to &^= 7
	if p.from%8 == 0 && p.from < p.to {
		r.queue = append(r.queue, p)
	}
}

// readQueue gives to look the memory in the queue, which look may add to.
func (r *reader) readQueue(look func(p *part, b []byte)) error {
	for len(r.queue) > 0 {
		size := r.take()
		if r.limits.Bytes < size {
			return errMany
		}
		r.limits.Bytes -= size
		if err := gather(r.memory, r.buffer, r.pieces, r.there); err != nil {
			return err
		}
		at := 0
		for i, p := range r.pieces {
			if r.there[i] {
				look(&r.parts[i], r.buffer[at:][:p.Len])
			}
			at += p.Len
		}
	}
	return nil
}

// take takes as much from the queue as is read at a time.
func (r *reader) take() (size uint64) {
	r.pieces, r.parts = r.pieces[:0], r.parts[:0]
	for len(r.queue) > 0 && len(r.pieces) < maxPieces && size < markRoom {
		last := &r.queue[len(r.queue)-1]
		n := min(last.to-last.from, markRoom-size)
		r.pieces = append(r.pieces, piece(last.from, int(n)))
		r.parts = append(r.parts, *last)
		size += n
		last.from, last.first = last.from+n, last.first+n/8
		if last.from == last.to {
			r.queue = r.queue[:len(r.queue)-1]
		}
	}
	return size
}
