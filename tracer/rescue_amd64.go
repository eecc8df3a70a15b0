package tracer

import "github.com/leaktrace/leaktrace/tracer/unwind"

// walkRegs is the kernel's registers as a walk takes them.
func walkRegs(r *ledgerLeakRegs) unwind.Regs {
	return unwind.Regs{
		IP: r.Ip, SP: r.Sp, FP: r.Fp,
		RAX: r.Rax, RDI: r.Rdi, R8: r.R8, R9: r.R9, R11: r.R11, R13: r.R13, R15: r.R15,
	}
}
