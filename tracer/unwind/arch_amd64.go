package unwind

import "go.opentelemetry.io/ebpf-profiler/support"

// Regs is the user registers at the leaf of a stack. All but the first three
// are used for the leaf frame only.
type Regs struct {
	IP, SP, FP                      uint64
	RAX, RDI, R8, R9, R11, R13, R15 uint64
	// Interrupted says that IP is where the code was interrupted (a page
	// fault, a stop). Otherwise the leaf is in a system call.
	Interrupted bool
}

// The functions below are those of bpf/arch.bpf.h, where they are described.

const callPushes = 8

func codeAddress(ip uint64) uint64 { return ip }

func (r *Regs) called() {}

func (r *Regs) leafReturn() uint64 { return r.RDI }

func spAbove(fp uint64) uint64 { return fp + 16 }

func (r *Regs) restoreSP(Rule) {}

func returnsByRegister(rule Rule) bool { return rule.Flags&support.UnwindFlagRegisterRA != 0 }

func (r *Regs) returnAt(cfa uint64, _ Rule) uint64 { return cfa - 8 }

func (r *Regs) fpAt(cfa uint64, rule Rule) uint64 {
	switch rule.AuxBaseReg {
	case support.UnwindRegCfa:
		return cfa + uint64(int64(rule.AuxParam))
	case support.UnwindRegFp:
		return r.FP + uint64(int64(rule.AuxParam))
	}
	return 0
}

func (r *Regs) restoreSignal(memory Memory) bool {
	const sigcontext = 40
	saved := r.SP + sigcontext
	ip, ok1 := memory.Word(saved + 16*8)
	fp, ok2 := memory.Word(saved + 10*8)
	sp, ok3 := memory.Word(saved + 15*8)
	r.IP, r.FP, r.SP = ip, fp, sp
	return ok1 && ok2 && ok3
}

func (r *Regs) signalReturn(Memory) bool { return false }

func (r *Regs) register(number uint8, leaf bool) uint64 {
	if !leaf {
		return 0
	}
	switch number {
	case support.UnwindRegX86RAX:
		return r.RAX
	case support.UnwindRegX86RDI:
		return r.RDI
	case support.UnwindRegX86R8:
		return r.R8
	case support.UnwindRegX86R9:
		return r.R9
	case support.UnwindRegX86R11:
		return r.R11
	case support.UnwindRegX86R13:
		return r.R13
	case support.UnwindRegX86R15:
		return r.R15
	}
	return 0
}

// plain reports whether a rule is plain, as bpf/unwind.h has it.
func plain(r Rule) bool {
	return r.Flags == 0 && (r.BaseReg == support.UnwindRegSp || r.BaseReg == support.UnwindRegFp) &&
		(r.AuxBaseReg == support.UnwindRegInvalid || r.AuxBaseReg == support.UnwindRegCfa)
}
