package goroutine

import (
	"errors"

	"golang.org/x/sys/unix"
)

const (
	// mostPieces and mostBytes are how much a verification reads in one call: of memory that
	// is swapped out each page takes a millisecond, and who reads takes a call for hung that
	// takes too long.
	mostPieces = 64
	mostBytes  = 64 << 10
)

// portioned is the memory of a process, read in small portions and only while the limits
// leave time.
type portioned struct {
	Memory
	limits *Limits
	pieces []unix.RemoteIovec
	// failed is why it was not read to the end: what seems to be not there may be.
	failed error
}

// Read implements Memory.
func (m *portioned) Read(p []byte, pieces ...unix.RemoteIovec) (n int, err error) {
	off := 0 // in the first piece
	for len(pieces) > 0 && err == nil {
		var size, got int
		pieces, off, size = m.take(pieces, off)
		if m.failed == nil {
			m.failed = m.limits.over()
		}
		if m.failed != nil {
			return n, m.failed
		}
		got, err = m.Memory.Read(p[n:][:size], m.pieces...)
		if n += max(got, 0); got < size {
			break
		}
	}
	if err != nil && !errors.Is(err, unix.EFAULT) {
		m.failed = err
	}
	return n, err
}

// take takes a portion of pieces, from an offset in the first, and returns what is left.
func (m *portioned) take(pieces []unix.RemoteIovec, off int) (left []unix.RemoteIovec, next, size int) {
	m.pieces = m.pieces[:0]
	for len(pieces) > 0 && len(m.pieces) < mostPieces && size < mostBytes {
		n := min(pieces[0].Len-off, mostBytes-size)
		m.pieces = append(m.pieces, piece(uint64(pieces[0].Base)+uint64(off), n))
		size, off = size+n, off+n
		if off == pieces[0].Len {
			pieces, off = pieces[1:], 0
		}
	}
	return pieces, off, size
}
