package goroutine

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Memory is the memory of a process that goes on running.
type Memory interface {
	// Read fills p from pieces of the memory, one after the other, as
	// process_vm_readv(2) does. It returns how many bytes it could read: those
	// before the first that are not there.
	Read(p []byte, pieces ...unix.RemoteIovec) (int, error)
}

// maxPieces is how many pieces a call of process_vm_readv takes (IOV_MAX).
const maxPieces = 1024

// maxMissing is how many pieces of one list may be missing. The runtime does
// not give back what its lists refer to, so that in an honest process none is.
const maxMissing = 1024

var errMissing = errors.New("memory that its runtime refers to is not there")

// read fills p from one place.
func read(m Memory, p []byte, address uint64) bool {
	n, err := m.Read(p, piece(address, len(p)))
	return err == nil && n == len(p)
}

func piece(address uint64, size int) unix.RemoteIovec {
	return unix.RemoteIovec{Base: uintptr(address), Len: size}
}

// gather reads many pieces into p, one after the other, and notes which of them were
// there.
func gather(m Memory, p []byte, pieces []unix.RemoteIovec, there []bool) error {
	missing := 0
	for i := 0; i < len(pieces); {
		batch := pieces[i:min(len(pieces), i+maxPieces)]
		n, _ := m.Read(p[:total(batch)], batch...)
		for ; len(batch) > 0 && n >= batch[0].Len; i++ {
			n -= batch[0].Len
			p, batch, there[i] = p[batch[0].Len:], batch[1:], true
		}
		if len(batch) == 0 {
			continue
		}
		p, there[i] = p[batch[0].Len:], false
		i++
		if missing++; missing > maxMissing {
			return errMissing
		}
	}
	return nil
}

func total(pieces []unix.RemoteIovec) (n int) {
	for _, p := range pieces {
		n += p.Len
	}
	return n
}

// word is the word at an offset of what was read.
func word(b []byte, offset uint64) uint64 { return binary.LittleEndian.Uint64(b[offset:]) }
