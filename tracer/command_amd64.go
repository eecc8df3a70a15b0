package tracer

import "golang.org/x/sys/unix"

// breakpoint is int3.
var breakpoint = []byte{0xcc}

// rewind puts the instruction pointer of a process that stopped at a
// breakpoint back on it.
func rewind(pid int, address uintptr) error {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(pid, &regs); err != nil {
		return err
	}
	regs.SetPC(uint64(address))
	return unix.PtraceSetRegs(pid, &regs)
}
