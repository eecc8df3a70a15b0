package unwind

import "go.opentelemetry.io/ebpf-profiler/support"

var (
	leaf     = Rule{BaseReg: support.UnwindRegSp, Param: 8}
	frame16  = Rule{BaseReg: support.UnwindRegSp, Param: 24}
	savesFP  = Rule{BaseReg: support.UnwindRegFp, Param: 16, AuxBaseReg: support.UnwindRegCfa, AuxParam: -16}
	raInRDI  = Rule{Flags: support.UnwindFlagRegisterRA | support.UnwindFlagLeafOnly, BaseReg: support.UnwindRegSp, AuxBaseReg: support.UnwindRegX86RDI}
	realigns = Rule{Flags: support.UnwindFlagDerefCfa, BaseReg: support.UnwindRegFp, Param: -8 + 2}
)

// smallest is the rule of the smallest frame.
var smallest = leaf

func walkTests() []walkTest {
	return []walkTest{
		{
			"by rules to the root",
			code{0x1000: leaf, 0x2000: frame16, 0x3000: stop},
			Regs{IP: 0x1010, SP: base}, stack(0x2010, 1, 2, 0x3010),
			[]uint64{0x1010, 0x2010, 0x3010}, Root,
		},
		{
			"a call at the end of its function belongs to that function",
			code{0x1000: leaf, 0x2000: frame16, 0x3000: stop},
			Regs{IP: 0x1010, SP: base}, stack(0x2100, 1, 2, 0x3010),
			[]uint64{0x1010, 0x2100, 0x3010}, Root,
		},
		{
			"rbp is restored",
			code{0x1000: leaf, 0x2000: savesFP, 0x3000: savesFP, 0x4000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 8}, stack(0x2010, base+24, 0x3010, 0, 0x4010),
			[]uint64{0x1010, 0x2010, 0x3010, 0x4010}, Root,
		},
		{
			"return address in a register: vfork",
			code{0x1000: raInRDI, 0x2000: stop},
			Regs{IP: 0x1010, SP: base, RDI: 0x2010}, stack(),
			[]uint64{0x1010, 0x2010}, Root,
		},
		{
			"return address in a register that callees do not keep",
			code{0x1000: leaf, 0x2000: raInRDI},
			Regs{IP: 0x1010, SP: base, RDI: 0x3010}, stack(0x2010),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"wrapper without a rule: clone",
			code{0x1000: invalid, 0x2000: stop},
			Regs{IP: 0x1010, SP: base}, stack(0x2010),
			[]uint64{0x1010, 0x2010}, Root,
		},
		{
			"wrapper without a rule: static vfork",
			code{0x1000: invalid, 0x2000: stop},
			Regs{IP: 0x1010, SP: base, RDI: 0x2010}, stack(0x2020),
			[]uint64{0x1010, 0x2010}, Root,
		},
		{
			"realigned stack",
			code{0x1000: leaf, 0x2000: realigns, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 24}, stack(0x2010, 0, base+16, 0x3010),
			[]uint64{0x1010, 0x2010, 0x3010}, Root,
		},
		{
			"signal frame: the interrupted address is exact",
			code{0x1000: leaf, 0x2000: signal, 0x3000: stop},
			Regs{IP: 0x1010, SP: base},
			stack(0x2010, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, base+200, 0x3000),
			[]uint64{0x1010, 0x2010, 0x3000}, Root,
		},
		{
			"interrupted before its first instruction, after a function with another rule",
			code{0x1000: frame16, 0x1100: leaf, 0x2000: stop},
			Regs{IP: 0x1100, SP: base, Interrupted: true}, stack(0x2010, 1, 2, 3),
			[]uint64{0x1100, 0x2010}, Root,
		},
		{
			"interrupted code without a rule is no system call wrapper",
			code{0x2000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 8, RDI: 0x3000, Interrupted: true}, stack(0x4010, 0, 0x2010),
			[]uint64{0x1010, 0x2010}, RootByFP,
		},
		{
			"Go keeps frame pointers by convention",
			code{0x1000: leaf, 0x2000: byFP, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 16}, stack(0x2010, 0, 0, 0x3010),
			[]uint64{0x1010, 0x2010, 0x3010}, Root,
		},
		{
			"Go's frame pointers lead to another stack, wherever that is",
			code{0x1000: leaf, 0x2000: byFP, 0x3000: stop},
			Regs{IP: 0x1010, SP: base + 16, FP: base}, stack(0, 0x3010, 0x2010),
			[]uint64{0x1010, 0x2010, 0x3010}, Root,
		},
		{
			"JIT code is crossed by frame pointer, and that shows",
			code{0x1000: leaf, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 16}, stack(0x2010, 0, 0, 0x3010),
			[]uint64{0x1010, 0x2010, 0x3010}, RootByFP,
		},
		{
			"no frame pointer where one is needed",
			code{0x1000: leaf},
			Regs{IP: 0x1010, SP: base}, stack(0x2010),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"a frame pointer below the stack is none",
			code{0x1000: leaf},
			Regs{IP: 0x1010, SP: base, FP: base - 64}, stack(0x2010),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"return into no mapping",
			code{0x1000: leaf},
			Regs{IP: 0x1010, SP: base}, stack(0xdead0000),
			[]uint64{0x1010, 0xdead0000}, Unmapped,
		},
		{
			"stack not copied so far",
			code{0x1000: leaf, 0x2000: frame16},
			Regs{IP: 0x1010, SP: base}, stack(0x2010, 1),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"return address 0 is the root",
			code{0x1000: leaf},
			Regs{IP: 0x1010, SP: base}, stack(0),
			[]uint64{0x1010}, Root,
		},
	}
}
