package tracer

import "encoding/binary"

// threadMark is what tells a thread's control block from other memory: on arm64
// the first block of a thread's specific data lies in its struct pthread, and a
// pointer there says so.
type threadMark [8]byte

// thread is where the struct pthread of a thread control block begins: on arm64
// the thread pointer points behind it.
func (l threadLayout) thread(tcb uint64) uint64 { return tcb - uint64(l.size) }

// mark is where a struct pthread has its mark.
func (l threadLayout) mark(thread uint64) uint64 { return thread + uint64(l.specific) }

// marks tells whether a mark is that of a struct pthread.
func (l threadLayout) marks(mark threadMark, thread uint64) bool {
	return binary.NativeEndian.Uint64(mark[:])-thread < uint64(l.size)
}
