package unwind

import "go.opentelemetry.io/ebpf-profiler/support"

// Rules of frames as gcc and clang make them: x29 and x30 are saved as a pair,
// to which x29 points.
var (
	leaf    = Rule{BaseReg: support.UnwindRegSp, AuxBaseReg: support.UnwindRegLr}
	frame16 = framed(support.UnwindRegSp, 16, -8)
	frame32 = framed(support.UnwindRegSp, 32, -24)
	alloca  = framed(support.UnwindRegFp, 32, -24)
	savesLR = Rule{BaseReg: support.UnwindRegSp, Param: 16, AuxBaseReg: support.UnwindRegCfa, AuxParam: -16}
	goFrame = Rule{BaseReg: support.UnwindRegSp, Param: 32, AuxBaseReg: support.UnwindRegSp}
	badBase = Rule{AuxBaseReg: support.UnwindRegCfa, AuxParam: -8}
)

// smallest is the rule of the smallest frame.
var smallest = savesLR

// signed is what pointer authentication makes of a return address.
const signed = 0x2a << 48

func framed(base uint8, size, ra int32) Rule {
	return Rule{
		Flags: support.UnwindFlagFrame, BaseReg: base, Param: size,
		AuxBaseReg: support.UnwindRegCfa, AuxParam: ra,
	}
}

// signalFrame is a stack with a signal frame on top, of code that was
// interrupted at ip; more follows.
func signalFrame(fp, lr, sp, ip uint64, more ...uint64) []uint64 {
	words := make([]uint64, 39+33)
	words[39+29], words[39+30], words[39+31], words[39+32] = fp, lr, sp, ip
	return append(words, more...)
}

// withTrampoline is memory that has code of the vDSO at 0x8000.
type withTrampoline struct{ Copy }

func (m withTrampoline) Word(address uint64) (uint64, bool) {
	if address == 0x8000 {
		return 0xd4000001d2801168, true
	}
	return m.Copy.Word(address)
}

func walkTests() []walkTest {
	const afterSignal = base + (39+33)*8
	return []walkTest{
		{
			"by rules to the root",
			code{0x1000: leaf, 0x2000: frame32, 0x3000: frame16, 0x4000: stop},
			Regs{IP: 0x1010, SP: base, LR: 0x2010}, stack(base+32, 0x3010, 0, 0, 0, 0x4010),
			[]uint64{0x1010, 0x2010, 0x3010, 0x4010}, Root,
		},
		{
			"a call at the end of its function belongs to that function",
			code{0x1000: leaf, 0x2000: frame16, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, LR: 0x2100}, stack(0, 0x3010),
			[]uint64{0x1010, 0x2100, 0x3010}, Root,
		},
		{
			"x29 is restored",
			code{0x1000: leaf, 0x2000: alloca, 0x3000: alloca, 0x4000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 8, LR: 0x2010},
			stack(0, base+40, 0x3010, 0, 0, 0, 0x4010),
			[]uint64{0x1010, 0x2010, 0x3010, 0x4010}, Root,
		},
		{
			"x30 alone is saved, and x29 is as it was",
			code{0x1000: leaf, 0x2000: savesLR, 0x3000: alloca, 0x4000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 16, LR: 0x2010},
			stack(0x3010, 0, 0, 0x4010),
			[]uint64{0x1010, 0x2010, 0x3010, 0x4010}, Root,
		},
		{
			"signed return addresses",
			code{0x1000: leaf, 0x2000: frame16, 0x3000: byFP, 0x4000: stop},
			Regs{IP: 0x1010, SP: base, LR: signed | 0x2010},
			stack(base+16, signed|0x3010, 0, signed|0x4010),
			[]uint64{0x1010, 0x2010, 0x3010, 0x4010}, Root,
		},
		{
			"the link register is the leaf's alone",
			code{0x1000: leaf, 0x2000: leaf, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, LR: 0x2010}, stack(0x3010),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"a system call wrapper without a rule",
			code{0x1000: invalid, 0x2000: frame16, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, LR: signed | 0x2010}, stack(0, 0x3010),
			[]uint64{0x1010, 0x2010, 0x3010}, Root,
		},
		{
			"a system call wrapper without a rule that has used the link register",
			code{0x1000: invalid, 0x2000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 8, LR: 7}, stack(0, 0, 0x2010),
			[]uint64{0x1010, 0x2010}, RootByFP,
		},
		{
			"a CFA by another register is not known",
			code{0x1000: badBase},
			Regs{IP: 0x1010, SP: base}, stack(0x2010, 0x2010),
			[]uint64{0x1010}, Truncated,
		},
		{
			"signal frame: all registers are known again",
			code{0x1000: leaf, 0x2000: signal, 0x3000: leaf, 0x4000: frame16, 0x5000: stop},
			Regs{IP: 0x1010, SP: base, LR: 0x2010},
			stack(signalFrame(0, 0x4010, afterSignal, 0x3000, 0, 0x5010)...),
			[]uint64{0x1010, 0x2010, 0x3000, 0x4010, 0x5010}, Root,
		},
		{
			"signal frame: the handler returns to the vDSO",
			code{0x1000: leaf, 0x3000: frame16, 0x5000: stop},
			Regs{IP: 0x1010, SP: base, LR: 0x8000},
			withTrampoline{stack(signalFrame(0, 0, afterSignal, 0x3000, 0, 0x5010)...)},
			[]uint64{0x1010, 0x8000, 0x3000, 0x5010}, Root,
		},
		{
			"interrupted before its first instruction, after a function with another rule",
			code{0x1000: frame16, 0x1100: leaf, 0x2000: stop},
			Regs{IP: 0x1100, SP: base, LR: 0x2010, Interrupted: true}, stack(1, 2, 3),
			[]uint64{0x1100, 0x2010}, Root,
		},
		{
			"interrupted code without a rule is no system call wrapper",
			code{0x2000: stop},
			Regs{IP: 0x1010, SP: base, FP: base, LR: 0x3000, Interrupted: true}, stack(0, 0x2010),
			[]uint64{0x1010, 0x2010}, RootByFP,
		},
		{
			"Go keeps frame pointers by convention",
			code{0x1000: leaf, 0x2000: byFP, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 16, LR: 0x2010}, stack(0, 0, 0, 0x3010),
			[]uint64{0x1010, 0x2010, 0x3010}, Root,
		},
		{
			"JIT code is crossed by frame pointer, and where sp is then the next rule tells",
			code{0x2000: frame32, 0x3000: frame16, 0x4000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 8},
			// A frame of 40 bytes, one of 32, one of 16.
			stack(0, base+40, 0x2010, 0, 0, base+72, 0x3010, 0, 0, 0, 0x4010),
			[]uint64{0x1010, 0x2010, 0x3010, 0x4010}, RootByFP,
		},
		{
			"the same where x29 is the base",
			code{0x2000: alloca, 0x3000: frame16, 0x4000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 8},
			stack(0, base+40, 0x2010, 0, 0, base+72, 0x3010, 0, 0, 0, 0x4010),
			[]uint64{0x1010, 0x2010, 0x3010, 0x4010}, RootByFP,
		},
		{
			"the same in Go, which saves x29 below sp",
			code{0x2000: goFrame, 0x3000: stop},
			Regs{IP: 0x1010, SP: base, FP: base + 8},
			stack(0, base+40, 0x2010, 0, 0, 0, 0x3010),
			[]uint64{0x1010, 0x2010, 0x3010}, RootByFP,
		},
		{
			"nothing tells where sp is",
			code{0x2000: savesLR},
			Regs{IP: 0x1010, SP: base, FP: base + 8}, stack(0, base+24, 0x2010, 0x3010, 0x3010),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"no frame pointer where one is needed",
			code{0x1000: leaf},
			Regs{IP: 0x1010, SP: base, LR: 0x2010}, stack(0x3010),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"a frame pointer below the stack is none",
			code{0x1000: leaf},
			Regs{IP: 0x1010, SP: base, FP: base - 64, LR: 0x2010}, stack(0x3010),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"return into no mapping",
			code{0x1000: leaf},
			Regs{IP: 0x1010, SP: base, LR: 0xdead0000}, stack(),
			[]uint64{0x1010, 0xdead0000}, Unmapped,
		},
		{
			"stack not copied so far",
			code{0x1000: leaf, 0x2000: frame32},
			Regs{IP: 0x1010, SP: base, LR: 0x2010}, stack(0),
			[]uint64{0x1010, 0x2010}, Truncated,
		},
		{
			"return address 0 is the root",
			code{0x1000: leaf, 0x2000: frame16},
			Regs{IP: 0x1010, SP: base, LR: 0x2010}, stack(0, 0),
			[]uint64{0x1010, 0x2010}, Root,
		},
	}
}
