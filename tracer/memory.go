package tracer

import (
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// memory reads the memory of traced processes without stopping them.
//
// Reading faults pages in, and a page may be one that a program has to provide
// (userfaultfd, a file of a FUSE mount) and does not. The kernel then waits for
// as long as that process lives. So another goroutine reads, and is given up
// when it takes too long; that process's memory is not read until it is done. It
// may have been this one that did not get on, or a slow disk with what was swapped
// out, so it is tried again then, each time later.
type memory struct {
	requests chan *memoryRequest
	hung     map[int]*hang         // by pid
	left     []<-chan memoryResult // of reads that were given up, until they end
	room     []byte                // that a read may fill; one that hangs keeps it
	patience time.Duration
	pause    time.Duration // of hangPause
}

// hang is the last read of a process that was given up, or came late.
type hang struct {
	done  <-chan memoryResult
	at    time.Time
	times int // that this happened
}

type memoryRequest struct {
	tid    int
	remote []unix.RemoteIovec
	bytes  []byte
	done   chan memoryResult
}

type memoryResult struct {
	n   int
	err error
}

const (
	// memoryPatience bounds a read. One of memory that is there takes a microsecond.
	memoryPatience = time.Second
	// hangPause is how much longer each time a process is left alone then.
	hangPause = 10 * time.Second
	// mostLeft is how many threads may be left to their reads. Beyond it no memory is
	// read until one of them ends: there are at most 10,000 threads of a Go program.
	mostLeft = 64
)

var (
	// errHung is returned for a process whose memory cannot be waited for.
	errHung = errors.New("the process's memory does not come")
	// errBusy is returned for all others while too many threads are left to their reads.
	errBusy = errors.New("too much memory of other processes does not come")
)

func newMemory() *memory {
	m := &memory{hung: make(map[int]*hang), patience: memoryPatience, pause: hangPause}
	m.begin()
	return m
}

// begin starts a reader, and leaves one that hangs to itself.
func (m *memory) begin() {
	requests := make(chan *memoryRequest)
	m.requests = requests
	go func() {
		for r := range requests {
			n, err := unix.ProcessVMReadv(r.tid, []unix.Iovec{iovec(r.bytes)}, r.remote, 0)
			r.done <- memoryResult{n, err}
		}
	}()
}

// read fills p from pieces of the memory of a process, by way of any of its
// threads, as process_vm_readv(2) does.
func (m *memory) read(pid, tid int, p []byte, remote ...unix.RemoteIovec) (int, error) {
	if err := m.comes(pid); err != nil {
		return 0, err
	}
	if len(m.room) < len(p) {
		m.room = make([]byte, len(p))
	}
	r := &memoryRequest{tid, remote, m.room[:len(p)], make(chan memoryResult, 1)}
	m.requests <- r
	enough := time.NewTimer(m.patience)
	defer enough.Stop()
	select {
	case result := <-r.done:
		if result.err != nil {
			return 0, result.err
		}
		return copy(p, r.bytes[:result.n]), nil
	case <-enough.C:
		m.giveUp(pid, r)
		return 0, errHung
	}
}

// comes tells why the memory of a process may not be read, nil if it may.
func (m *memory) comes(pid int) error {
	h := m.hung[pid]
	if h != nil && (len(h.done) == 0 || time.Since(h.at) <= time.Duration(h.times)*m.pause) {
		return errHung
	}
	if len(m.left) == mostLeft {
		m.left = slices.DeleteFunc(m.left, func(done <-chan memoryResult) bool { return len(done) > 0 })
	}
	if len(m.left) == mostLeft {
		return errBusy
	}
	return nil
}

// giveUp leaves a read to itself.
func (m *memory) giveUp(pid int, r *memoryRequest) {
	m.hang(pid, r.done)
	m.room = nil
	m.left = append(m.left, r.done)
	close(m.requests)
	m.begin()
}

// tire leaves a process alone for a while whose memory comes, but so late that those who
// wanted it had no more time.
func (m *memory) tire(pid int) {
	done := make(chan memoryResult, 1)
	done <- memoryResult{}
	m.hang(pid, done)
}

// hang notes the last read of a process that took too long.
func (m *memory) hang(pid int, done <-chan memoryResult) {
	h := &hang{done: done, at: time.Now(), times: 1}
	if before := m.hung[pid]; before != nil {
		h.times += before.times
	}
	m.hung[pid] = h
}

// forget lets a pid be read again: another process may get it. It tells whether the memory
// of the one before did not come.
func (m *memory) forget(pid int) (hung bool) {
	_, hung = m.hung[pid]
	delete(m.hung, pid)
	return hung
}

// close ends the reader.
func (m *memory) close() { close(m.requests) }
