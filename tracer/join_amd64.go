package tracer

import "encoding/binary"

// threadMark is what tells a thread's control block from other memory: on
// x86-64 it begins with its own address, and holds it again 16 bytes on
// (tcbhead_t).
type threadMark [24]byte

// thread is where the struct pthread of a thread control block begins.
func (l threadLayout) thread(tcb uint64) uint64 { return tcb }

// mark is where a struct pthread has its mark.
func (l threadLayout) mark(thread uint64) uint64 { return thread }

// marks tells whether a mark is that of a struct pthread.
func (l threadLayout) marks(mark threadMark, thread uint64) bool {
	return binary.NativeEndian.Uint64(mark[:]) == thread && binary.NativeEndian.Uint64(mark[16:]) == thread
}
