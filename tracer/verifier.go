package tracer

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// verifier is what verification has to itself, so that nobody waits for it.
type verifier struct {
	memory *scannedMemory
	room   *goroutine.Room
}

func newVerifier() *verifier {
	return &verifier{&scannedMemory{memory: newMemory()}, goroutine.NewRoom()}
}

func (v *verifier) close() { v.memory.memory.close() }

// How much scannedMemory reads at a time, for memoryPatience is for that: each page may be
// on a disk.
const (
	scannedPieces = 64
	scannedBytes  = 64 << 10
)

var errSlowMemory = errors.New("its memory comes too slowly")

// scannedMemory is the memory of the process that is verified, all of which is read.
type scannedMemory struct {
	memory *memory
	ctx    context.Context
	pid    int
	until  time.Time
	err    error // why it is not read any more
	pieces []unix.RemoteIovec
}

// begin says whose memory is read now, and for how long at most.
func (m *scannedMemory) begin(ctx context.Context, pid int, until time.Time) {
	m.ctx, m.pid, m.until, m.err = ctx, pid, until, nil
}

// end forgets whether the memory has come: it may next time.
func (m *scannedMemory) end() { m.memory.forget(m.pid) }

// Read implements goroutine.Memory.
func (m *scannedMemory) Read(p []byte, pieces ...unix.RemoteIovec) (read int, err error) {
	for i, done := 0, 0; i < len(pieces); {
		size := 0
		m.pieces = m.pieces[:0]
		for i < len(pieces) && len(m.pieces) < scannedPieces && size < scannedBytes {
			n := min(pieces[i].Len-done, scannedBytes-size)
			m.pieces = append(m.pieces, unix.RemoteIovec{Base: pieces[i].Base + uintptr(done), Len: n})
			size, done = size+n, done+n
			if done == pieces[i].Len {
				i, done = i+1, 0
			}
		}
		n, err := m.readSome(p[read:][:size])
		if read += n; n < size {
			return read, err
		}
	}
	return read, nil
}

// readSome reads the pieces that are next.
func (m *scannedMemory) readSome(p []byte) (int, error) {
	switch {
	case m.err != nil:
	case m.ctx.Err() != nil:
		m.err = goroutine.ErrStopped
	case time.Now().After(m.until):
		m.err = errSlowMemory
	default:
		n, err := m.memory.read(m.pid, m.pid, p, m.pieces...)
		switch {
		case errors.Is(err, errHung):
			m.err = err
		case errors.Is(err, unix.ESRCH): // it has no memory any more
			m.err = os.ErrProcessDone
		}
		return n, err
	}
	return 0, m.err
}
