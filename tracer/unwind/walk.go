package unwind

import (
	"encoding/binary"

	"go.opentelemetry.io/ebpf-profiler/nativeunwind/stackdeltatypes"
	"go.opentelemetry.io/ebpf-profiler/support"
)

// MaxFrames is how many frames a walk follows, as in the BPF program.
const MaxFrames = 128

// Regs is the user registers at the leaf of a stack. All but the first three
// are used for the leaf frame only.
type Regs struct {
	IP, SP, FP                      uint64
	RAX, RDI, R8, R9, R11, R13, R15 uint64
	// Interrupted says that IP is where the code was interrupted (a page
	// fault, a stop). Otherwise the leaf is in a system call.
	Interrupted bool
}

// Outcome says how a walk ended.
type Outcome int

// The outcomes, from best to worst.
const (
	Root      Outcome = iota // at the root, by tables alone
	RootByFP                 // at the root, with frame pointers' help
	Truncated                // before the root
	Unmapped                 // at an address without mapping
)

// Found says what is known of an address.
type Found int

// What Image.Rule can find.
const (
	NoMapping Found = iota
	NoTable         // mapped, but from no file with a table
	HasRule
)

// Image is the mapped code of a process.
type Image interface {
	// Rule returns the rule that applies at an address.
	Rule(pc uint64) (Rule, Found)
}

// Memory is what a walk reads of a process's memory.
type Memory interface {
	// Word reads 8 bytes. It reports whether they could be read.
	Word(address uint64) (uint64, bool)
}

// Copy is a copy of part of a process's memory, from Base on.
type Copy struct {
	Base  uint64
	Bytes []byte
}

// Word implements Memory.
func (c Copy) Word(address uint64) (uint64, bool) {
	offset := address - c.Base
	if address < c.Base || offset > uint64(len(c.Bytes)) || uint64(len(c.Bytes))-offset < 8 {
		return 0, false
	}
	return binary.NativeEndian.Uint64(c.Bytes[offset:]), true
}

// walk is a walk in progress. It takes the same steps as the walk in
// bpf/unwind.bpf.h, where the reasons are given.
type walk struct {
	Regs
	memory  Memory
	image   Image
	leaf    bool
	wrapper bool // the leaf is a system call wrapper
	exact   bool // IP is where the code was interrupted, not a return address
	usedFP  bool
}

// Walk follows a stack from its registers through its memory. It returns
// the leaf's address and each caller's return address.
func Walk(regs Regs, memory Memory, image Image) ([]uint64, Outcome) {
	w := walk{Regs: regs, memory: memory, image: image, leaf: true, wrapper: !regs.Interrupted, exact: regs.Interrupted}
	var frames []uint64
	for len(frames) < MaxFrames {
		frames = append(frames, w.IP)
		if outcome, done := w.step(); done {
			return frames, outcome
		}
	}
	return frames, Truncated
}

func (w *walk) root() Outcome {
	if w.usedFP {
		return RootByFP
	}
	return Root
}

// step replaces the registers by the caller's. It reports whether that is the
// end, and which.
func (w *walk) step() (Outcome, bool) {
	pc := w.IP
	if !w.exact {
		pc--
	}
	rule, found := w.image.Rule(pc)
	if found == NoMapping {
		return Unmapped, true
	}
	w.exact = false
	outcome, done := w.apply(rule, found)
	w.leaf = false
	if !done && w.IP == 0 {
		return w.root(), true
	}
	return outcome, done
}

func (w *walk) apply(rule Rule, found Found) (Outcome, bool) {
	if found == HasRule && rule.Flags&support.UnwindFlagCommand == 0 {
		return w.byRule(rule)
	}
	switch {
	case found == HasRule && rule.Param == support.UnwindCommandStop:
		return w.root(), true
	case found == HasRule && rule.Param == support.UnwindCommandSignal:
		return w.signal()
	case found == HasRule && rule.Param == support.UnwindCommandFramePointer:
		return w.byFP()
	case w.leaf && w.wrapper:
		return w.leaveWrapper()
	}
	return w.guess()
}

// guess crosses a frame that no rule describes.
func (w *walk) guess() (Outcome, bool) {
	w.usedFP = true
	if w.FP < w.SP {
		return Truncated, true
	}
	return w.byFP()
}

// byFP takes the frame pointer's word.
func (w *walk) byFP() (Outcome, bool) {
	if w.FP == 0 {
		return w.root(), true
	}
	fp, ok1 := w.memory.Word(w.FP)
	ip, ok2 := w.memory.Word(w.FP + 8)
	if !ok1 || !ok2 {
		return Truncated, true
	}
	w.SP = w.FP + 16
	w.FP, w.IP = fp, ip
	return 0, false
}

// leaveWrapper leaves a system call wrapper that has no rule at its syscall.
func (w *walk) leaveWrapper() (Outcome, bool) {
	if _, found := w.image.Rule(w.RDI); found != NoMapping {
		w.IP = w.RDI
		return 0, false
	}
	ip, ok := w.memory.Word(w.SP)
	if ok {
		_, found := w.image.Rule(ip)
		ok = found != NoMapping
	}
	if !ok {
		return w.guess()
	}
	w.IP = ip
	w.SP += 8
	return 0, false
}

// signal leaves a signal frame, whose ucontext sp points to.
func (w *walk) signal() (Outcome, bool) {
	const sigcontext = 40
	ip, ok1 := w.memory.Word(w.SP + sigcontext + 16*8)
	fp, ok2 := w.memory.Word(w.SP + sigcontext + 10*8)
	sp, ok3 := w.memory.Word(w.SP + sigcontext + 15*8)
	if !ok1 || !ok2 || !ok3 {
		return Truncated, true
	}
	w.IP, w.FP, w.SP, w.exact = ip, fp, sp, true
	return 0, false
}

func (w *walk) byRule(rule Rule) (Outcome, bool) {
	cfa, ok := w.cfa(rule)
	if !ok || cfa < w.SP {
		return Truncated, true
	}
	ip, fp := uint64(0), w.FP
	if rule.Flags&support.UnwindFlagRegisterRA != 0 {
		ip = w.register(rule.AuxBaseReg)
	} else {
		if ip, ok = w.memory.Word(cfa - 8); !ok {
			return Truncated, true
		}
		switch rule.AuxBaseReg {
		case support.UnwindRegCfa:
			fp, ok = w.memory.Word(cfa + uint64(int64(rule.AuxParam)))
		case support.UnwindRegFp:
			fp, ok = w.memory.Word(w.FP + uint64(int64(rule.AuxParam)))
		}
		if !ok {
			return Truncated, true
		}
	}
	w.IP, w.SP, w.FP = ip, cfa, fp
	return 0, false
}

// cfa computes the canonical frame address.
func (w *walk) cfa(rule Rule) (uint64, bool) {
	base := w.register(rule.BaseReg)
	if base == 0 {
		return 0, false
	}
	if rule.Flags&support.UnwindFlagDerefCfa == 0 {
		return base + uint64(int64(rule.Param)), true
	}
	pre, post := stackdeltatypes.UnpackDerefParam(rule.Param)
	value, ok := w.memory.Word(base + uint64(int64(pre)))
	return value + uint64(int64(post)), ok
}

// register returns a register by number, 0 when it is not known.
func (w *walk) register(number uint8) uint64 {
	switch number {
	case support.UnwindRegSp:
		return w.SP
	case support.UnwindRegFp:
		return w.FP
	}
	if !w.leaf {
		return 0
	}
	switch number {
	case support.UnwindRegX86RAX:
		return w.RAX
	case support.UnwindRegX86RDI:
		return w.RDI
	case support.UnwindRegX86R8:
		return w.R8
	case support.UnwindRegX86R9:
		return w.R9
	case support.UnwindRegX86R11:
		return w.R11
	case support.UnwindRegX86R13:
		return w.R13
	case support.UnwindRegX86R15:
		return w.R15
	}
	return 0
}
