package tracer

import (
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
	// The record is the kernel's copy of the C struct, byte for byte, and the
	// ring buffer aligns records to 8 bytes.
	r := (*ledgerLeakRescue)(unsafe.Pointer(unsafe.SliceData(raw)))
	t.note(t.sync(p))
	s := p.space
	if s == nil || s.startStack != r.StartStack {
		s = t.spaces.ofImage(r.StartStack)
	}
	if s == nil {
		// The process has ended, or has a new image by now.
		t.rescued[NoMapping]++
		t.stacks.keepRescued(r.Id, whence{0, p.scope, p.pid}, []uint64{r.Regs.Ip}, NoMapping)
		return
	}
	frames, outcome := unwind.Walk(walkRegs(&r.Regs), rescuedMemory(r), image{s, t.files.tables})
	t.rescued[outcomes[outcome]]++
	t.stacks.keepRescued(r.Id, whence{s.id, p.scope, p.pid}, frames, outcomes[outcome])
}

// rescuedMemory is the copied pages, which begin with the one sp is in.
func rescuedMemory(r *ledgerLeakRescue) unwind.Copy {
	const pageSize = 4096 // LEAK_PAGE_SIZE
	size := min(r.Pages*pageSize, uint64(len(r.Memory)))
	return unwind.Copy{Base: r.Regs.Sp &^ (pageSize - 1), Bytes: r.Memory[:size]}
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
