package tracer

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

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
	joinUnread   joinState = iota // its memory does not come, or nobody knows what is where
	joinStranger                  // its process has ended, or nothing is known yet of its image
	joinUnknown                   // read, and it tells nothing
	joinTaken                     // gone with its image
	joinFreed                     // joined, or detached
	joinHeld                      // neither: its stack and control block are leaked
)

// joinState reads the control block of a finished thread by way of one that lives. The
// kernel clears the tid there.
func (m *memory) joinState(pid, through int, tcb uint64, tid uint32, layout threadLayout) joinState {
	if !layout.known() {
		return joinUnread
	}
	const markSize, cancelSize, tidSize = len(threadMark{}), 4, 4
	var block [markSize + cancelSize + tidSize]byte
	thread := layout.thread(tcb)
	n, err := m.read(pid, through, block[:],
		unix.RemoteIovec{Base: uintptr(layout.mark(thread)), Len: markSize},
		unix.RemoteIovec{Base: uintptr(thread) + uintptr(layout.cancelHandling), Len: cancelSize},
		unix.RemoteIovec{Base: uintptr(thread) + uintptr(layout.tid), Len: tidSize})
	if errors.Is(err, unix.EFAULT) || (err == nil && n < len(block)) {
		return joinFreed
	}
	if errors.Is(err, unix.ESRCH) {
		return joinStranger // who lived has just ended, perhaps with the process
	}
	if err != nil {
		return joinUnread
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
// has called exec a moment ago still has its parent's here.
func (p *process) shows(now living) bool {
	return p.space != nil && now.tid != 0 && now.startStack == p.space.startStack
}

// joinTime is how long the end of a thread that is joined may show before the join: at
// some moment each that is joined looks as one that never will be.
const joinTime = time.Second

// heldThread is when a finished thread ended that was not joined, or may not have been,
// and in which image. It is late if it was not joined joinTime after its end.
type heldThread struct {
	exited, startStack uint64
	late               bool
}

// heldBefore tells whether the last snapshot has a finished thread as not joined.
func (t *Tracer) heldBefore(thread *finishedThread) (heldThread, bool) {
	known, ok := t.held[thread.key]
	return known, ok && known.exited == thread.Exited
}

// doubtedBefore tells whether the last snapshot could not tell of a finished thread.
func (t *Tracer) doubtedBefore(thread *finishedThread) (heldThread, bool) {
	known, ok := t.doubts[thread.key]
	return known, ok && known.exited == thread.Exited
}

// verdicts is what became of finished threads.
type verdicts struct {
	held     []finishedThread                // never joined, as far as is known
	images   map[ledgerLeakTcbKey]heldThread // of these: the next Tracer.held
	unjoined map[uint64]uint64               // not known to be joined, by stack id
	taken    map[uint64]uint64               // known not to be, and gone with their process or image
	unjudged uint64                          // of these, nothing could be told now
	doubts   map[ledgerLeakTcbKey]heldThread // those that were looked at in vain: the next Tracer.doubts
	// strangers are those of processes that have ended, that no event told of, or of
	// whose image nothing is known yet.
	strangers []finishedThread
}

func newVerdicts() verdicts {
	return verdicts{
		images: make(map[ledgerLeakTcbKey]heldThread), doubts: make(map[ledgerLeakTcbKey]heldThread),
		unjoined: make(map[uint64]uint64), taken: make(map[uint64]uint64),
	}
}

// hold adds a thread of an image that is not joined.
func (v *verdicts) hold(thread *finishedThread, in heldThread) {
	v.held = append(v.held, *thread)
	v.images[thread.key] = in
}

// doubt counts a thread that may be joined or not.
func (v *verdicts) doubt(thread *finishedThread) {
	v.unjudged++
	v.unjoined[thread.Birth.Stack]++
}

// leave is for a thread that could not be looked at. What was not joined before stays
// so, until something else is seen or its process ends: memory that does not come gives
// nothing back. For as long as that lasts it is counted as not judged all the same.
func (t *Tracer) leave(v *verdicts, thread *finishedThread) {
	if known, held := t.heldBefore(thread); held {
		v.hold(thread, known)
	}
	if known, doubted := t.doubtedBefore(thread); doubted {
		v.doubts[thread.key] = known
	}
	v.doubt(thread)
}

// goesAlong is for a thread whose process has ended, or called exec: nobody can join it
// any more, and if nobody had for long, nobody has. If that could never be told, it never
// will: the report of a target that has ended says so still.
func (t *Tracer) goesAlong(v *verdicts, thread *finishedThread) {
	if known, held := t.heldBefore(thread); held {
		if known.late {
			v.taken[thread.Birth.Stack]++
		}
	} else if _, doubted := t.doubtedBefore(thread); doubted && t.scopes == nil {
		t.neverJudged++
	}
	t.note(ignoreMissing(t.maps.Tcbs.Delete(thread.key)))
}

// judgeThreads tells finished threads that were never joined from the others,
// which it removes from the kernel's map.
func (t *Tracer) judgeThreads(l *ledger) verdicts {
	v, alive := newVerdicts(), make(lives)
	for i := range l.threads {
		thread := &l.threads[i]
		through := alive.of(int(thread.key.Tgid))
		state := t.judge(thread, through)
		now := heldThread{thread.Exited, through.startStack, l.taken.Sub(t.clock.time(thread.Exited)) >= joinTime}
		// The block may have got a new thread while it was read.
		var there ledgerLeakTcb
		if err := t.maps.Tcbs.Lookup(thread.key, &there); err != nil || there.Tid != thread.Tid {
			continue
		}
		switch state {
		case joinStranger:
			v.strangers = append(v.strangers, *thread)
		case joinUnread:
			t.leave(&v, thread)
			v.doubts[thread.key] = now
		case joinUnknown:
			v.doubt(thread)
			v.doubts[thread.key] = now
		case joinHeld:
			v.hold(thread, now)
			v.unjoined[thread.Birth.Stack]++
		case joinTaken:
			t.goesAlong(&v, thread)
		case joinFreed:
			t.note(ignoreMissing(t.maps.Tcbs.Delete(thread.key)))
		}
	}
	return v
}

// judge tells what became of a finished thread, by way of a living one of its process.
func (t *Tracer) judge(thread *finishedThread, through living) joinState {
	p := t.processes[int(thread.key.Tgid)]
	before, known := t.heldBefore(thread)
	if !known {
		before, known = t.doubtedBefore(thread)
	}
	switch {
	case known && through.startStack != 0 && through.startStack != before.startStack:
		return joinTaken
	case p == nil || !p.shows(through):
		return joinStranger
	case p.space.goOnly():
		return joinFreed
	}
	return t.memory.joinState(p.pid, through.tid, thread.key.Tcb, thread.Tid, p.space.threadLayout())
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
	for i := range v.strangers {
		thread := &v.strangers[i]
		if alive[process{uint32(thread.key.Tgid), thread.ProcessStart}] {
			t.leave(v, thread)
		} else {
			t.goesAlong(v, thread)
		}
	}
	t.held, t.doubts = v.images, v.doubts
}
