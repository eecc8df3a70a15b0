package tracer

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// own is a piece of this process's memory.
func own(p []byte) unix.RemoteIovec {
	return unix.RemoteIovec{Base: uintptr(unsafe.Pointer(unsafe.SliceData(p))), Len: len(p)}
}

// TestScannedMemory reads what is larger, and more, than is read at a time.
func TestScannedMemory(t *testing.T) {
	m := &scannedMemory{memory: newMemory()}
	defer m.memory.close()
	m.begin(t.Context(), os.Getpid(), time.Now().Add(time.Hour))
	from := make([]byte, 3*scannedBytes+scannedPieces*100)
	for i := range from {
		from[i] = byte(i ^ i>>8 ^ i>>16)
	}
	pieces := []unix.RemoteIovec{own(from[:5]), own(from[5 : 2*scannedBytes+8]), own(nil)}
	rest := from[2*scannedBytes+8:]
	for len(rest) > 0 {
		n := min(40, len(rest))
		pieces = append(pieces, own(rest[:n]))
		rest = rest[n:]
	}
	got := make([]byte, len(from))
	if n, err := m.Read(got, pieces...); n != len(from) || err != nil {
		t.Errorf("read %d of %d, %v", n, len(from), err)
	}
	if diff := cmp.Diff(from, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	const before = scannedBytes + 7
	pieces = []unix.RemoteIovec{own(from[:before]), {Base: 8, Len: 8}, own(from[:8])}
	if n, err := m.Read(got, pieces...); n != before || m.err != nil {
		t.Errorf("read %d of %d before a hole, %v, %v", n, before, err, m.err)
	}
	if len(m.memory.room) > scannedBytes {
		t.Errorf("read %d at a time", len(m.memory.room))
	}
}

// TestEndOfScannedMemory has memory be read no more once it is known why.
func TestEndOfScannedMemory(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	later, word := time.Now().Add(time.Hour), []byte("a word..")
	for _, test := range []struct {
		name  string
		ctx   context.Context
		pid   int
		until time.Time
		page  []byte
		want  error
	}{
		{"no time is left", t.Context(), os.Getpid(), time.Now(), word, errSlowMemory},
		{"it is cancelled", cancelled, os.Getpid(), later, word, goroutine.ErrStopped},
		{"the process has ended", t.Context(), ended.Process.Pid, later, word, os.ErrProcessDone},
		{"the memory does not come", t.Context(), os.Getpid(), later, unserved(t), errHung},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &scannedMemory{memory: newMemory()}
			defer m.memory.close()
			m.begin(test.ctx, test.pid, test.until)
			got := make([]byte, 8)
			if n, _ := m.Read(got, own(test.page[:8])); n != 0 || !errors.Is(m.err, test.want) {
				t.Errorf("read %d, %v", n, m.err)
			}
			if n, err := m.Read(got, own(word)); n != 0 || err == nil {
				t.Errorf("read %d more, %v", n, err)
			}
			m.end()
			m.begin(t.Context(), os.Getpid(), later)
			if n, err := m.Read(got, own(word)); n != 8 || err != nil {
				t.Errorf("next time: read %d, %v", n, err)
			}
		})
	}
}
