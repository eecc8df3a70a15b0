package unwind

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/ebpf-profiler/nativeunwind/stackdeltatypes"
)

// code is an image: rules by address range of 0x100.
type code map[uint64]Rule

func (c code) Rule(pc uint64) (Rule, Found) {
	if pc < 0x1000 || pc >= 0x9000 {
		return Rule{}, NoMapping
	}
	rule, ok := c[pc&^0xff]
	if !ok {
		return Rule{}, NoTable
	}
	return rule, HasRule
}

const base = 0x7f0000

// stack lays words out from base on.
func stack(words ...uint64) Copy {
	m := Copy{Base: base}
	for _, word := range words {
		m.Bytes = binary.NativeEndian.AppendUint64(m.Bytes, word)
	}
	return m
}

var (
	stop    = stackdeltatypes.UnwindInfoStop
	invalid = stackdeltatypes.UnwindInfoInvalid
	signal  = stackdeltatypes.UnwindInfoSignal
	byFP    = stackdeltatypes.UnwindInfoFramePointer
)

// walkTest is a stack and what becomes of it. Each architecture has its own.
type walkTest struct {
	name    string
	image   code
	regs    Regs
	memory  Memory
	frames  []uint64
	outcome Outcome
}

func TestWalk(t *testing.T) {
	for _, test := range walkTests() {
		t.Run(test.name, func(t *testing.T) {
			frames, outcome := Walk(test.regs, test.memory, test.image)
			if diff := cmp.Diff(test.frames, frames); diff != "" {
				t.Errorf("frames (-want +got):\n%s", diff)
			}
			if outcome != test.outcome {
				t.Errorf("outcome: got %d, want %d", outcome, test.outcome)
			}
		})
	}
}

// TestWalkEnds walks a stack that loops: a callee that returns to itself.
func TestWalkEnds(t *testing.T) {
	words := make([]uint64, 4*MaxFrames)
	for i := range words {
		words[i] = 0x1010
	}
	frames, outcome := Walk(Regs{IP: 0x1010, SP: base}, stack(words...), code{0x1000: smallest})
	if len(frames) != MaxFrames || outcome != Truncated {
		t.Errorf("got %d frames and outcome %d", len(frames), outcome)
	}
}
