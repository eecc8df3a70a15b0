package tracer

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/unwind"
)

// remote is the memory of a live process. It is read up to the end of a page,
// which is mapped if its beginning is: the words of a stack are near each other.
type remote struct {
	memory *memory
	pid    int
	tid    int // any thread of the process
	window unwind.Copy
	page   [4096]byte
}

// turn forgets what was read, and turns to the process of a thread.
func (r *remote) turn(pid, tid int) { r.pid, r.tid, r.window = pid, tid, unwind.Copy{} }

// Word implements unwind.Memory.
func (r *remote) Word(address uint64) (uint64, bool) {
	const size = 8
	if value, ok := r.window.Word(address); ok {
		return value, true
	}
	if address%size != 0 { // no stack's, and may lie across two pages
		var word [size]byte
		n := r.read(word[:], address)
		return binary.NativeEndian.Uint64(word[:]), n == size
	}
	rest := r.page[address%uint64(len(r.page)):]
	r.window = unwind.Copy{Base: address, Bytes: rest[:r.read(rest, address)]}
	return r.window.Word(address)
}

// read returns how many bytes could be read.
func (r *remote) read(p []byte, address uint64) int {
	n, err := r.memory.read(r.pid, r.tid, p, unix.RemoteIovec{Base: uintptr(address), Len: len(p)})
	if err != nil {
		return 0
	}
	return n
}
