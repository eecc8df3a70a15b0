package unwind

import "go.opentelemetry.io/ebpf-profiler/support"

// Regs is the user registers at the leaf of a stack.
type Regs struct {
	IP uint64
	SP uint64
	FP uint64 // x29
	LR uint64 // x30
	// Interrupted says that IP is where the code was interrupted (a page
	// fault, a stop). Otherwise the leaf is in a system call.
	Interrupted bool
}

// The functions below are those of bpf/arch.bpf.h, where they are described.

const callPushes = 0

func codeAddress(ip uint64) uint64 { return ip & (1<<48 - 1) }

func (r *Regs) called() { r.LR = 0 }

func (r *Regs) leafReturn() uint64 { return codeAddress(r.LR) }

func spAbove(uint64) uint64 { return 0 }

func (r *Regs) restoreSP(rule Rule) {
	if r.SP != 0 || r.FP == 0 {
		return
	}
	record := r.FP + 8 - uint64(int64(rule.AuxParam))
	switch {
	case rule.AuxBaseReg == support.UnwindRegSp:
		r.SP = record
	case rule.AuxBaseReg == support.UnwindRegCfa && rule.Flags&support.UnwindFlagFrame != 0:
		r.SP = record - uint64(int64(rule.Param))
	}
}

func returnsByRegister(rule Rule) bool { return rule.AuxBaseReg == support.UnwindRegLr }

func (r *Regs) returnAt(cfa uint64, rule Rule) uint64 {
	if rule.AuxBaseReg == support.UnwindRegSp {
		cfa = r.SP
	}
	return cfa + uint64(int64(rule.AuxParam))
}

func (r *Regs) fpAt(cfa uint64, rule Rule) uint64 {
	if rule.Flags&support.UnwindFlagFrame == 0 {
		return 0
	}
	return r.returnAt(cfa, rule) - 8
}

func (r *Regs) restoreSignal(memory Memory) bool {
	const siginfo, sigcontext = 128, 184
	saved := r.SP + siginfo + sigcontext
	fp, ok1 := memory.Word(saved + 29*8)
	lr, ok2 := memory.Word(saved + 30*8)
	ip, ok3 := memory.Word(saved + 32*8)
	sp, ok4 := memory.Word(saved + 31*8)
	r.FP, r.LR, r.IP, r.SP = fp, lr, ip, sp
	return ok1 && ok2 && ok3 && ok4
}

func (r *Regs) signalReturn(memory Memory) bool {
	const sigreturn = 0xd4000001d2801168
	word, ok := memory.Word(r.IP)
	return r.SP != 0 && ok && word == sigreturn
}

func (r *Regs) register(number uint8, _ bool) uint64 {
	if number == support.UnwindRegLr {
		return r.LR
	}
	return 0
}

// plain reports whether a rule is plain, as bpf/unwind.h has it.
func plain(r Rule) bool {
	return r.Flags == support.UnwindFlagFrame && (r.BaseReg == support.UnwindRegSp || r.BaseReg == support.UnwindRegFp) &&
		(r.AuxBaseReg == support.UnwindRegSp || r.AuxBaseReg == support.UnwindRegCfa)
}
