package tracer

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// threadLayout tells where a C library keeps what says whether a finished
// thread was joined. The zero value means that it is not known.
type threadLayout struct {
	// cancelHandling is the offset of glibc's struct pthread.cancelhandling
	// in the thread control block.
	cancelHandling uint32
}

func (l threadLayout) known() bool { return l.cancelHandling != 0 }

// Bits of glibc's cancelhandling (nptl/descr.h).
const (
	glibcExiting    = 0x10 // the thread runs its last code, or has
	glibcTerminated = 0x20 // its control block was freed: joined or detached
)

// readThreadLayout asks a C library for the layout. glibc publishes it for
// debuggers: size in bits, count and offset of the field. Before 2.34 it is in
// libpthread; in a static executable it survives as long as the symbol table.
func readThreadLayout(symbols *symbol.File) threadLayout {
	var field [12]byte
	address, _, ok := symbols.Symbol("_thread_db_pthread_cancelhandling")
	if !ok || symbols.ReadAt(address, field[:]) != nil {
		return threadLayout{}
	}
	offset := binary.NativeEndian.Uint32(field[8:])
	if bits := binary.NativeEndian.Uint32(field[:]); bits != 32 || offset > 1<<16 {
		return threadLayout{}
	}
	return threadLayout{cancelHandling: offset}
}

// joinState is what became of a finished thread's control block.
type joinState int

const (
	joinUnknown joinState = iota
	joinFreed             // joined, or detached
	joinHeld              // neither: its stack and control block are leaked
)

// joinState reads the control block of a finished thread.
//
// On x86-64 the block begins with its own address, and holds it again 16 bytes
// on (tcbhead_t); a block that does not was unmapped and its memory reused.
func (m *memory) joinState(pid int, tcb uint64, layout threadLayout) joinState {
	if !layout.known() {
		return joinUnknown
	}
	const headSize, cancelSize = 24, 4
	var block [headSize + cancelSize]byte
	n, err := m.read(pid, pid, block[:],
		unix.RemoteIovec{Base: uintptr(tcb), Len: headSize},
		unix.RemoteIovec{Base: uintptr(tcb) + uintptr(layout.cancelHandling), Len: cancelSize})
	if errors.Is(err, unix.EFAULT) || (err == nil && n < len(block)) {
		return joinFreed
	}
	if err != nil {
		return joinUnknown
	}
	if binary.NativeEndian.Uint64(block[:]) != tcb || binary.NativeEndian.Uint64(block[16:]) != tcb {
		return joinFreed
	}
	switch bits := binary.NativeEndian.Uint32(block[headSize:]); {
	case bits&glibcTerminated != 0:
		return joinFreed
	case bits&glibcExiting != 0:
		return joinHeld
	}
	return joinUnknown // ended by a bare exit system call
}

func iovec(p []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(p)}
	v.SetLen(len(p))
	return v
}

// verdicts is what became of finished threads.
type verdicts struct {
	held     []finishedThread  // never joined
	unjoined map[uint64]uint64 // not known to be joined, by stack id
	unjudged uint64            // of these, not known to be held either
}

// judgeThreads tells finished threads that were never joined from the others,
// which it removes from the kernel's map.
func (t *Tracer) judgeThreads(l *ledger) verdicts {
	v := verdicts{unjoined: make(map[uint64]uint64)}
	for _, thread := range l.threads {
		state := joinFreed
		if p := t.processes[int(thread.key.Tgid)]; p != nil && p.space != nil {
			state = t.memory.joinState(p.pid, thread.key.Tcb, p.space.threadLayout())
		}
		// The block may have got a new thread while it was read.
		var now ledgerLeakTcb
		if err := t.maps.Tcbs.Lookup(thread.key, &now); err != nil || now.Tid != thread.Tid {
			continue
		}
		switch state {
		case joinHeld:
			v.held = append(v.held, thread)
			v.unjoined[thread.Birth.Stack]++
		case joinUnknown:
			v.unjudged++
			v.unjoined[thread.Birth.Stack]++
		case joinFreed:
			t.note(ignoreMissing(t.maps.Tcbs.Delete(thread.key)))
		}
	}
	return v
}
