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
	word := make([]byte, 8)
	piece := func(p []byte) unix.RemoteIovec {
		return unix.RemoteIovec{Base: uintptr(unsafe.Pointer(unsafe.SliceData(p))), Len: 8}
	}
	self := os.Getpid()
	if _, err := m.read(1, self, word, piece(page)); !errors.Is(err, errHung) {
		t.Fatalf("a page that nobody provides: %v", err)
	}
	began := time.Now()
	if _, err := m.read(1, self, word, piece(page)); !errors.Is(err, errHung) || time.Since(began) > memoryPatience/2 {
		t.Errorf("the same process once more: %v after %s", err, time.Since(began))
	}
	if n, err := m.read(2, self, word, piece([]byte("another!"))); n != 8 || err != nil || string(word) != "another!" {
		t.Errorf("another process: %d, %v, %q", n, err, word)
	}
	serve()
	for end := time.Now().Add(10 * memoryPatience); ; {
		n, err := m.read(1, self, word, piece(page))
		if n == 8 && err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("that page when it has come: %v", err)
		}
	}
	m.hung[1].times = mostHangs
	if _, err := m.read(1, self, word, piece(page)); !errors.Is(err, errHung) {
		t.Errorf("a process that was given up too often: %v", err)
	}
	m.forget(1)
	if n, err := m.read(1, self, word, piece([]byte("anew...."))); n != 8 || err != nil {
		t.Errorf("another process with that pid: %d, %v", n, err)
	}
}
