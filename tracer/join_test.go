package tracer

import (
	"encoding/binary"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
)

// Threads are judged by the image that their process has now, not by one that it had.
func TestShowsImage(t *testing.T) {
	now := livingThread(os.Getpid())
	if now.tid != os.Getpid() || now.startStack == 0 {
		t.Fatalf("by way of thread %d, in the image of %#x", now.tid, now.startStack)
	}
	const nobody = 1 << 30
	for name, test := range map[string]struct {
		p    process
		now  living
		want bool
	}{
		"the image of now":        {process{space: &space{startStack: now.startStack}}, now, true},
		"the image of its parent": {process{space: &space{startStack: now.startStack - 4096}}, now, false},
		"no image is known":       {process{}, now, false},
		"the process has ended":   {process{space: &space{}}, livingThread(nobody), false},
	} {
		if got := test.p.shows(test.now); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

// someLayout has room for the mark before the fields.
var someLayout = threadLayout{cancelHandling: 64, tid: 72, specific: 8, size: 128}

// controlBlock makes the struct pthread of someLayout, and says where its control block is.
func controlBlock(bits, tid uint32) (block []byte, tcb uint64) {
	block = make([]byte, someLayout.size)
	thread := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(block))))
	mark := block[someLayout.mark(thread)-thread:]
	binary.NativeEndian.PutUint64(mark, thread)
	binary.NativeEndian.PutUint64(mark[16:], thread)
	binary.NativeEndian.PutUint32(block[someLayout.cancelHandling:], bits)
	binary.NativeEndian.PutUint32(block[someLayout.tid:], tid)
	return block, 2*thread - someLayout.thread(thread)
}

// TestJoinState reads control blocks as glibc leaves them behind thread 7.
func TestJoinState(t *testing.T) {
	m := newMemory()
	defer m.close()
	for name, test := range map[string]struct {
		bits, tid uint32
		other     bool // the memory is something else's now
		want      joinState
	}{
		"not joined":                      {bits: glibcExiting, want: joinHeld},
		"joined":                          {bits: glibcExiting | glibcTerminated, want: joinFreed},
		"ended by a system call":          {want: joinUnknown},
		"about to end by a system call":   {tid: 7, want: joinUnknown},
		"joined, and another lives there": {tid: 8, want: joinFreed},
		"unmapped, and mapped again":      {bits: glibcExiting, other: true, want: joinFreed},
	} {
		block, tcb := controlBlock(test.bits, test.tid)
		if test.other {
			clear(block[:someLayout.cancelHandling])
		}
		if got := m.joinState(os.Getpid(), os.Getpid(), tcb, 7, someLayout); got != test.want {
			t.Errorf("%s: state %d, want %d", name, got, test.want)
		}
	}
	const nobody = 1 << 30
	_, tcb := controlBlock(glibcExiting, 0)
	if got := m.joinState(os.Getpid(), nobody, tcb, 7, someLayout); got != joinStranger {
		t.Errorf("by way of a thread that has ended: state %d, want %d", got, joinStranger)
	}
}

// judging judges one thread of this process, once it was found not to be joined.
type judging struct {
	*Tracer
	block   []byte
	thread  finishedThread
	records []ledgerLeakProcessRecord
	since   time.Duration // how long ago the thread ended
	taken   uint64
}

func newJudging(t *testing.T) *judging {
	t.Helper()
	block, tcb := controlBlock(glibcExiting, 0)
	pid := os.Getpid()
	spec := &ebpf.MapSpec{
		Type: ebpf.Hash, MaxEntries: 1,
		KeySize: uint32(unsafe.Sizeof(ledgerLeakTcbKey{})), ValueSize: uint32(unsafe.Sizeof(ledgerLeakTcb{})),
	}
	tcbs, err := ebpf.NewMap(spec)
	if err != nil {
		t.Fatal(err)
	}
	j := &judging{
		block:   block,
		thread:  finishedThread{ledgerLeakTcbKey{Tcb: tcb, Tgid: uint64(pid)}, ledgerLeakTcb{Tid: 7, Exited: 1, ProcessStart: 2}},
		since:   joinTime,
		records: []ledgerLeakProcessRecord{{Tgid: uint32(pid), Start: 2}},
		Tracer:  &Tracer{memory: newMemory(), processes: make(map[int]*process), maps: ledgerMaps{Tcbs: tcbs}},
	}
	t.Cleanup(func() { _ = tcbs.Close(); j.memory.close() })
	j.processes[pid] = &process{pid: pid, space: &space{
		startStack: livingThread(pid).startStack,
		mappings:   []mapping{{file: &file{threads: someLayout}}},
	}}
	if err := tcbs.Put(j.thread.key, j.thread.ledgerLeakTcb); err != nil {
		t.Fatal(err)
	}
	return j
}

// judged is what a snapshot says of the thread, and whether the next will look at it.
type judged struct {
	held     int
	unjudged uint64
	taken    uint64 // so far
	kept     bool
}

func (j *judging) snapshot() judged {
	ended := j.clock.time(j.thread.Exited)
	v := j.judgeThreads(&ledger{taken: ended.Add(j.since), threads: []finishedThread{j.thread}})
	j.judgeStrangers(&v, j.records)
	j.taken += v.taken[j.thread.Birth.Stack]
	var now ledgerLeakTcb
	return judged{len(v.held), v.unjudged, j.taken, j.maps.Tcbs.Lookup(j.thread.key, &now) == nil}
}

func (j *judging) process() *process { return j.processes[os.Getpid()] }

// doesNotCome has no memory of this process come for now.
func (j *judging) doesNotCome() {
	j.memory.hung[os.Getpid()] = &hang{done: make(chan memoryResult)}
}

// A thread that was not joined is not given back because it cannot be looked at.
func TestHeldThread(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*judging)
		want   judged
	}{
		"nothing":              {func(*judging) {}, judged{1, 0, 0, true}},
		"its memory is late":   {(*judging).doesNotCome, judged{1, 1, 0, true}},
		"no space is known":    {func(j *judging) { j.process().space = nil }, judged{1, 1, 0, true}},
		"it is joined":         {func(j *judging) { j.block[someLayout.cancelHandling] |= glibcTerminated }, judged{}},
		"its process ends":     {func(j *judging) { j.process().space, j.records = nil, nil }, judged{taken: 1}},
		"its process execs":    {func(j *judging) { j.held[j.thread.key] = heldThread{j.thread.Exited, 1, true} }, judged{taken: 1}},
		"another ends with it": {func(j *judging) { j.thread.Exited++; j.process().space, j.records = nil, nil }, judged{}},
		"another is late now":  {func(j *judging) { j.thread.Exited++; j.doesNotCome() }, judged{0, 1, 0, true}},
	} {
		j := newJudging(t)
		if got := j.snapshot(); got != (judged{1, 0, 0, true}) {
			t.Fatalf("before %s: %+v", name, got)
		}
		test.change(j)
		for range 2 { // what was kept once is kept again
			if got := j.snapshot(); got != test.want {
				t.Errorf("%s: %+v, want %+v", name, got, test.want)
			}
		}
	}
}

// A thread that a snapshot has seen between its end and its join is not counted as never
// joined when its process is gone before the next.
func TestThreadJustEnded(t *testing.T) {
	j := newJudging(t)
	j.since = joinTime - 1
	if got := j.snapshot(); got != (judged{1, 0, 0, true}) {
		t.Fatalf("just ended: %+v", got)
	}
	j.process().space, j.records = nil, nil
	if got := j.snapshot(); got != (judged{}) {
		t.Errorf("gone with its process: %+v", got)
	}
}

// A thread of which it could not be told whether it was joined is counted also when its
// process has ended, or has another image.
func TestDoubtedThread(t *testing.T) {
	for name, change := range map[string]func(*judging){
		"its process ends":  func(j *judging) { j.process().space, j.records = nil, nil },
		"its process execs": func(j *judging) { j.doubts[j.thread.key] = heldThread{j.thread.Exited, 1, true} },
		"it is late, and its process execs": func(j *judging) {
			space := j.process().space
			j.process().space = nil
			j.snapshot()
			j.process().space = space
			j.doubts[j.thread.key] = heldThread{j.thread.Exited, 1, true}
		},
	} {
		j := newJudging(t)
		clear(j.block[someLayout.cancelHandling:])
		for range 2 {
			if got := j.snapshot(); got != (judged{0, 1, 0, true}) || j.neverJudged != 0 {
				t.Fatalf("before %s: %+v", name, got)
			}
		}
		change(j)
		if got := j.snapshot(); got != (judged{}) || j.neverJudged != 1 {
			t.Errorf("%s: %+v, and %d were never judged", name, got, j.neverJudged)
		}
	}
}
