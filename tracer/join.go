package tracer

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// threadLayout tells where a C library keeps what says whether a finished
// thread was joined. The zero value means that it is not known.
type threadLayout struct {
	// cancelHandling, tid and specific are offsets in glibc's struct pthread,
	// whose size in bytes is size.
	cancelHandling, tid, specific, size uint32
}

func (l threadLayout) known() bool { return l != threadLayout{} }

// Bits of glibc's cancelhandling (nptl/descr.h).
const (
	glibcExiting    = 0x10 // the thread runs its last code, or has
	glibcTerminated = 0x20 // its control block was freed: joined or detached
)

// readThreadLayout asks a C library for the layout, which glibc publishes for
// debuggers. Before 2.34 it is in libpthread; in a static executable it survives
// as long as the symbol table.
func readThreadLayout(symbols *symbol.File) threadLayout {
	const maxSize = 1 << 16
	bits, cancelHandling, ok1 := readThreadField(symbols, "cancelhandling")
	tidBits, tid, ok2 := readThreadField(symbols, "tid")
	_, specific, ok3 := readThreadField(symbols, "specific")
	size, ok4 := readThreadSize(symbols)
	if !ok1 || !ok2 || !ok3 || !ok4 || bits != 32 || tidBits != 32 || size > maxSize || max(cancelHandling, tid, specific) >= size {
		return threadLayout{}
	}
	return threadLayout{cancelHandling: cancelHandling, tid: tid, specific: specific, size: size}
}

// readThreadField reads the description of a field of glibc's struct pthread:
// size in bits, count and offset.
func readThreadField(symbols *symbol.File, name string) (bits, offset uint32, ok bool) {
	var field [12]byte
	address, _, ok := symbols.Symbol("_thread_db_pthread_" + name)
	if !ok || symbols.ReadAt(address, field[:]) != nil {
		return 0, 0, false
	}
	return binary.NativeEndian.Uint32(field[:]), binary.NativeEndian.Uint32(field[8:]), true
}

// readThreadSize reads the size of glibc's struct pthread.
func readThreadSize(symbols *symbol.File) (size uint32, ok bool) {
	var value [4]byte
	address, _, ok := symbols.Symbol("_thread_db_sizeof_pthread")
	if !ok || symbols.ReadAt(address, value[:]) != nil {
		return 0, false
	}
	return binary.NativeEndian.Uint32(value[:]), true
}

// joinState is what became of a finished thread's control block.
type joinState int

const (
	joinUnknown joinState = iota
	joinFreed             // joined, or detached
	joinHeld              // neither: its stack and control block are leaked
)

// joinState reads the control block of a finished thread, of which the kernel clears
// the tid there.
func (m *memory) joinState(pid int, tcb uint64, tid uint32, layout threadLayout) joinState {
	if !layout.known() {
		return joinUnknown
	}
	const markSize, cancelSize, tidSize = len(threadMark{}), 4, 4
	var block [markSize + cancelSize + tidSize]byte
	thread := layout.thread(tcb)
	n, err := m.read(pid, pid, block[:],
		unix.RemoteIovec{Base: uintptr(layout.mark(thread)), Len: markSize},
		unix.RemoteIovec{Base: uintptr(thread) + uintptr(layout.cancelHandling), Len: cancelSize},
		unix.RemoteIovec{Base: uintptr(thread) + uintptr(layout.tid), Len: tidSize})
	if errors.Is(err, unix.EFAULT) || (err == nil && n < len(block)) {
		return joinFreed
	}
	if err != nil {
		return joinUnknown
	}
	if !layout.marks(threadMark(block[:markSize]), thread) {
		return joinFreed // unmapped, and its memory used again
	}
	switch bits := binary.NativeEndian.Uint32(block[markSize:]); {
	case bits&glibcTerminated != 0:
		return joinFreed
	case bits&glibcExiting != 0:
		return joinHeld
	}
	// Before 6.16 the end of a joined thread may be seen after the birth of the next on
	// its control block: see has_younger in bpf/task.bpf.h.
	if now := binary.NativeEndian.Uint32(block[markSize+cancelSize:]); now != 0 && now != tid {
		return joinFreed
	}
	return joinUnknown // ended by a bare exit system call
}

func iovec(p []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(p)}
	v.SetLen(len(p))
	return v
}

// shows tells whether what is known of a process is its image of now: a child that
// has called exec a moment ago still has its parent's here. It asks once, and keeps
// in shown what it has found out.
func (p *process) shows(shown map[int]bool) bool {
	if p.space == nil {
		return false
	}
	known, asked := shown[p.pid]
	if !asked {
		proc, err := procfs.NewProc(p.pid)
		if err == nil {
			var stat procfs.ProcStat
			stat, err = proc.Stat()
			known = err == nil && (p.headless || stat.StartStack == p.space.startStack)
		}
		shown[p.pid] = known
	}
	return known
}

// judgeStrangers takes a list of processes that was read after the threads: what
// ended with its process is freed, the others are judged next time.
func (t *Tracer) judgeStrangers(v *verdicts, records []ledgerLeakProcessRecord) {
	type process struct {
		pid   uint32
		start uint64
	}
	alive := make(map[process]bool)
	for i := range records {
		if records[i].Ending == 0 {
			alive[process{records[i].Tgid, records[i].Start}] = true
		}
	}
	for _, thread := range v.strangers {
		if alive[process{uint32(thread.key.Tgid), thread.ProcessStart}] {
			v.unjudged++
			v.unjoined[thread.Birth.Stack]++
		} else {
			t.note(ignoreMissing(t.maps.Tcbs.Delete(thread.key)))
		}
	}
}

// verdicts is what became of finished threads.
type verdicts struct {
	held     []finishedThread  // never joined
	unjoined map[uint64]uint64 // not known to be joined, by stack id
	unjudged uint64            // of these, not known to be held either
	// strangers are those of processes that have ended, that no event told of, or of
	// whose image nothing is known yet.
	strangers []finishedThread
}

// judgeThreads tells finished threads that were never joined from the others,
// which it removes from the kernel's map.
func (t *Tracer) judgeThreads(l *ledger) verdicts {
	v := verdicts{unjoined: make(map[uint64]uint64)}
	shown := make(map[int]bool)
	for _, thread := range l.threads {
		p := t.processes[int(thread.key.Tgid)]
		if p == nil || !p.shows(shown) {
			v.strangers = append(v.strangers, thread)
			continue
		}
		state := joinFreed
		if !p.space.goOnly() {
			state = t.memory.joinState(p.pid, thread.key.Tcb, thread.Tid, p.space.threadLayout())
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
