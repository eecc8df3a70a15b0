package unwind

import (
	"encoding/binary"

	"go.opentelemetry.io/ebpf-profiler/nativeunwind/stackdeltatypes"
	"go.opentelemetry.io/ebpf-profiler/support"
)

// MaxFrames is how many frames a walk follows, as in the BPF program.
const MaxFrames = 128

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
	if !w.exact {
		w.called()
	}
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
	if w.signalReturn(w.memory) {
		return w.signal()
	}
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
	w.SP = spAbove(w.FP)
	w.FP, w.IP = fp, codeAddress(ip)
	return 0, false
}

// leaveWrapper leaves a system call wrapper that has no rule at its syscall.
func (w *walk) leaveWrapper() (Outcome, bool) {
	if ip := w.leafReturn(); w.mapped(ip) {
		w.IP = ip
		return 0, false
	}
	if ip, ok := w.memory.Word(w.SP); callPushes > 0 && ok && w.mapped(ip) {
		w.IP = ip
		w.SP += callPushes
		return 0, false
	}
	return w.guess()
}

func (w *walk) mapped(ip uint64) bool {
	_, found := w.image.Rule(ip)
	return found != NoMapping
}

// signal leaves a signal frame.
func (w *walk) signal() (Outcome, bool) {
	if !w.restoreSignal(w.memory) {
		return Truncated, true
	}
	w.exact = true
	return 0, false
}

func (w *walk) byRule(rule Rule) (Outcome, bool) {
	w.restoreSP(rule)
	cfa, ok := w.cfa(rule)
	if !ok || cfa < w.SP {
		return Truncated, true
	}
	ip, fp := uint64(0), w.FP
	if returnsByRegister(rule) {
		if ip = w.register(rule.AuxBaseReg); ip == 0 {
			return Truncated, true
		}
	} else {
		if ip, ok = w.memory.Word(w.returnAt(cfa, rule)); !ok {
			return Truncated, true
		}
		if at := w.fpAt(cfa, rule); at != 0 {
			if fp, ok = w.memory.Word(at); !ok {
				return Truncated, true
			}
		}
	}
	w.IP, w.SP, w.FP = codeAddress(ip), cfa, fp
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
	return w.Regs.register(number, w.leaf)
}
