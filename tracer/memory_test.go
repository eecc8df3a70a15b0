package tracer

import (
	"errors"
	"os"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// unserved maps a page whose content a program would have to provide, and
// nobody does (userfaultfd(2)) before serve is called, once.
func unserved(t *testing.T) (page []byte, serve func()) {
	t.Helper()
	const (
		api, apiVersion = 0xc018aa3f, 0xaa // UFFDIO_API
		register        = 0xc020aa00       // UFFDIO_REGISTER
		zeroPage        = 0xc020aa04       // UFFDIO_ZEROPAGE
		missing         = 1
	)
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		t.Fatalf("userfaultfd: %v", errno)
	}
	var err error
	page, err = unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(int(fd)); _ = unix.Munmap(page) })
	start := uint64(uintptr(unsafe.Pointer(unsafe.SliceData(page))))
	ioctl := func(request uintptr, argument *[4]uint64) {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(argument))); errno != 0 {
			t.Fatalf("userfaultfd ioctl %#x: %v", request, errno)
		}
	}
	ioctl(api, &[4]uint64{apiVersion})
	ioctl(register, &[4]uint64{start, uint64(len(page)), missing})
	return page, func() { ioctl(zeroPage, &[4]uint64{start, uint64(len(page))}) }
}

// A process whose memory does not come is given up, and others are read on.
func TestMemoryThatDoesNotCome(t *testing.T) {
	page, serve := unserved(t)
	m := newMemory()
	defer m.close()
	m.patience, m.pause = 50*time.Millisecond, 0
	word := make([]byte, 8)
	piece := func(p []byte) unix.RemoteIovec {
		return unix.RemoteIovec{Base: uintptr(unsafe.Pointer(unsafe.SliceData(p))), Len: 8}
	}
	self := os.Getpid()
	if _, err := m.read(1, self, word, piece(page)); !errors.Is(err, errHung) {
		t.Fatalf("a page that nobody provides: %v", err)
	}
	if _, err := m.read(1, self, word, piece([]byte("not read"))); !errors.Is(err, errHung) || m.hung[1].times != 1 {
		t.Errorf("the same process once more: %v, given up %d times", err, m.hung[1].times)
	}
	if _, err := m.read(3, self, word, piece(page)); !errors.Is(err, errHung) || len(m.left) != 2 {
		t.Errorf("a third process: %v, %d readers are left", err, len(m.left))
	}
	m.patience = time.Minute
	if n, err := m.read(2, self, word, piece([]byte("another!"))); n != 8 || err != nil || string(word) != "another!" {
		t.Errorf("another process: %d, %v, %q", n, err, word)
	}
	serve()
	for end := time.Now().Add(time.Minute); m.comes(1) != nil || m.comes(3) != nil; {
		if time.Now().After(end) {
			t.Fatal("the page is there, and its readers have not ended")
		}
	}
	if n, err := m.read(1, self, word, piece(page)); n != 8 || err != nil {
		t.Errorf("that page now: %d, %v", n, err)
	}
	m.pause = time.Hour
	if _, err := m.read(3, self, word, piece(page)); !errors.Is(err, errHung) {
		t.Errorf("a process that was given up a moment ago: %v", err)
	}
	m.forget(1)
	if n, err := m.read(1, self, word, piece([]byte("anew...."))); n != 8 || err != nil {
		t.Errorf("another process with that pid: %d, %v", n, err)
	}
}

// A process that does not get its memory again and again is tried ever more rarely, and
// no more threads wait for memory than are allowed.
func TestMemoryThatNeverComes(t *testing.T) {
	m := newMemory()
	defer m.close()
	r := &memoryRequest{done: make(chan memoryResult, 1)}
	for n := range mostLeft {
		if err := m.comes(2); err != nil {
			t.Fatalf("with %d readers left: %v", n, err)
		}
		m.giveUp(1, r)
	}
	if err := m.comes(2); !errors.Is(err, errBusy) || m.hung[1].times != mostLeft {
		t.Errorf("with %d readers left, %d of them to one process: %v", mostLeft, m.hung[1].times, err)
	}
	r.done <- memoryResult{}
	if other, it := m.comes(2), m.comes(1); other != nil || !errors.Is(it, errHung) {
		t.Errorf("all have ended: another process: %v, that one: %v", other, it)
	}
}

// A look that missed something, or took too long, gets nothing any more.
func TestLateLook(t *testing.T) {
	m := newMemory()
	defer m.close()
	self, text := os.Getpid(), []byte("something")
	piece := unix.RemoteIovec{Base: uintptr(unsafe.Pointer(unsafe.SliceData(text))), Len: len(text)}
	for name, look := range map[string]*processMemory{
		"missed":   {memory: &memory{hung: map[int]*hang{self: {}}}, pid: self, patience: time.Minute},
		"too long": {memory: m, pid: self, through: self, patience: 0},
	} {
		if _, err := look.Read(make([]byte, len(text)), piece); !errors.Is(err, errHung) {
			t.Errorf("%s: %v", name, err)
		}
		look.memory, look.patience = m, time.Minute
		if _, err := look.Read(make([]byte, len(text)), piece); !errors.Is(err, errHung) || !errors.Is(look.failed, errHung) {
			t.Errorf("%s, and then: %v", name, err)
		}
	}
	if err := m.comes(self); !errors.Is(err, errHung) {
		t.Errorf("the process is not left alone: %v", err)
	}
	m.pause = 0
	if err := m.comes(self); err != nil {
		t.Errorf("later: %v", err)
	}
}
