package tracer

import "github.com/leaktrace/leaktrace/tracer/goroutine"

// verifier is what verification has to itself, so that nobody waits for it, and so that
// memory which comes too late for it, as it was swapped out, is read by others still.
type verifier struct {
	memory *memory
	room   *goroutine.Room
}

func newVerifier() *verifier { return &verifier{newMemory(), goroutine.NewRoom()} }

func (v *verifier) close() { v.memory.close() }

// gone tells that a process has ended, or has another image than that with a stack that
// starts there, and so that its memory may not have been what it should be. No event may
// have told yet.
func (v *verifier) gone(pid int, startStack uint64) bool {
	now := livingThread(pid)
	return now.tid == 0 || now.startStack != startStack
}
