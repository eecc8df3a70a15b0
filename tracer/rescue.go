package tracer

import (
	"encoding/binary"
	"unsafe"

	"github.com/leaktrace/leaktrace/tracer/unwind"
)

// outcomes names how a walk in Go ended.
var outcomes = map[unwind.Outcome]Quality{
	unwind.Root:      Complete,
	unwind.RootByFP:  FPUsed,
	unwind.Truncated: Truncated,
	unwind.Unmapped:  NoMapping,
}

// rescue walks a stack that the kernel had no tables for: the first stacks of
// a new image, or of a library that was just loaded.
func (t *Tracer) rescue(p *process, raw []byte) {
	if len(raw) < int(unsafe.Sizeof(ledgerLeakRescue{})) {
		return
	}
	id := binary.NativeEndian.Uint64(raw[8:])
	regs, memory := decodeRescue(raw)
	if err := t.sync(p); err != nil {
		t.note(err)
		t.rescued[NoMapping]++
		t.stacks.keep(id, 0, []uint64{regs.IP}, NoMapping)
		return
	}
	frames, outcome := unwind.Walk(regs, memory, image{p.space, t.files.tables})
	t.rescued[outcomes[outcome]]++
	t.stacks.keep(id, p.space.id, frames, outcomes[outcome])
}

// decodeRescue takes a struct leak_rescue apart. The memory is not copied.
func decodeRescue(raw []byte) (unwind.Regs, unwind.Memory) {
	// The record is the kernel's copy of the C struct, byte for byte, and the
	// ring buffer aligns records to 8 bytes.
	rescue := (*ledgerLeakRescue)(unsafe.Pointer(unsafe.SliceData(raw)))
	const pageSize = 4096 // LEAK_PAGE_SIZE
	size := min(rescue.Pages*pageSize, uint64(len(rescue.Memory)))
	r := rescue.Regs
	return unwind.Regs{
			IP: r.Ip, SP: r.Sp, FP: r.Fp,
			RAX: r.Rax, RDI: r.Rdi, R8: r.R8, R9: r.R9, R11: r.R11, R13: r.R13, R15: r.R15,
		}, unwind.Memory{
			Base:  r.Sp &^ (pageSize - 1),
			Bytes: rescue.Memory[:size],
		}
}

// image is a space as Go walks it.
type image struct {
	space  *space
	tables *tables
}

// Rule implements unwind.Image.
func (i image) Rule(pc uint64) (unwind.Rule, unwind.Found) {
	m := i.space.find(pc)
	switch {
	case m == nil:
		return unwind.Rule{}, unwind.NoMapping
	case m.file == nil:
		return unwind.Rule{}, unwind.NoTable
	}
	return i.tables.rule(m.file.rows, pc-m.bias)
}
