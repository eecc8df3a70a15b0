package goroutine

// returnAt is where a frame keeps its return address: the call has pushed it.
func returnAt(sp, delta uint64) uint64 { return sp + delta }

// callerSP is the caller's stack pointer.
func callerSP(sp, delta uint64) uint64 { return sp + delta + 8 }
