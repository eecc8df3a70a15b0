package goroutine

// returnAt is where a frame keeps its return address: at its lower end, where the
// function has stored the link register.
func returnAt(sp, _ uint64) uint64 { return sp }

// callerSP is the caller's stack pointer.
func callerSP(sp, delta uint64) uint64 { return sp + delta }
