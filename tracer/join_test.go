package tracer

import (
	"encoding/binary"
	"os"
	"testing"
	"unsafe"

	"github.com/prometheus/procfs"
)

// Threads are judged by the image that their process has now, not by one that it had.
func TestShowsImage(t *testing.T) {
	self, err := procfs.Self()
	if err != nil {
		t.Fatal(err)
	}
	stat, err := self.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const nobody = 1 << 30
	for name, test := range map[string]struct {
		p    process
		want bool
	}{
		"the image of now":        {process{pid: os.Getpid(), space: &space{startStack: stat.StartStack}}, true},
		"the image of its parent": {process{pid: os.Getpid(), space: &space{startStack: stat.StartStack - 4096}}, false},
		"no image is known":       {process{pid: os.Getpid()}, false},
		"the process has ended":   {process{pid: nobody, space: &space{}}, false},
	} {
		if got := test.p.shows(make(map[int]bool)); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

// TestJoinState reads control blocks as glibc leaves them behind thread 7.
func TestJoinState(t *testing.T) {
	layout := threadLayout{cancelHandling: 64, tid: 72, specific: 8, size: 128}
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
		block := make([]byte, layout.size)
		thread := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(block))))
		mark := block[layout.mark(thread)-thread:]
		if !test.other {
			binary.NativeEndian.PutUint64(mark, thread)
			binary.NativeEndian.PutUint64(mark[16:], thread)
		}
		binary.NativeEndian.PutUint32(block[layout.cancelHandling:], test.bits)
		binary.NativeEndian.PutUint32(block[layout.tid:], test.tid)
		tcb := 2*thread - layout.thread(thread) // of which that is the struct pthread
		if got := m.joinState(os.Getpid(), tcb, 7, layout); got != test.want {
			t.Errorf("%s: state %d, want %d", name, got, test.want)
		}
	}
}
