package tracer

import "github.com/leaktrace/leaktrace/tracer/unwind"

// walkRegs is the kernel's registers as a walk takes them.
func walkRegs(r *ledgerLeakRegs) unwind.Regs {
	return unwind.Regs{IP: r.Ip, SP: r.Sp, FP: r.Fp, LR: r.Lr}
}
