package tracer

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// verifier is what verification has to itself, so that nobody waits for it, and so that
// memory which comes too late for it, as it was swapped out, is read by others still.
type verifier struct {
	memory *memory
	room   *goroutine.Room
}

func newVerifier() *verifier { return &verifier{newMemory(), goroutine.NewRoom()} }

func (v *verifier) close() { v.memory.close() }

// ended tells that a process has no memory any more, and so why it could not be read. No
// event may have told yet.
func (v *verifier) ended(pid int) bool {
	_, err := v.memory.read(pid, pid, make([]byte, 1), unix.RemoteIovec{Base: 1, Len: 1})
	return errors.Is(err, unix.ESRCH)
}
