package goroutine

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// content is what is in an object that may hold pointers.
func (h *heap) content(s *span, i uint64) []byte {
	return h.copy[s.copied+i*s.element:][:s.element]
}

// fill copies what is in the heap. That takes a moment, while to follow pointers takes many:
// until then all may be somewhere else. What it takes is taken from the bytes that are left.
func (h *heap) fill(m Memory, left *uint64) (err error) {
	size := uint64(0)
	for i := range h.spans {
		if s := &h.spans[i]; s.pointers {
			s.copied = size
			size += uint64(s.objects) * s.element
		}
	}
	if size > *left {
		return errBigHeap
	}
	*left -= size
	// What is mapped is given back at once.
	if h.copy, err = unix.Mmap(-1, 0, int(size)+1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return fmt.Errorf("make room for a copy of its heap: %w", err)
	}
	return h.read(m)
}

// slice is a part of a span, as much of it as is read at a time.
type slice struct {
	*span
	from, to uint64 // in the span
}

// slices gives all that is copied to each, some at a time, with where it is in the copy.
func (h *heap) slices(each func(some []slice, copied []byte) error) error {
	var some []slice
	at, size := uint64(0), uint64(0)
	flush := func() error {
		err := each(some, h.copy[at:][:size])
		at, size, some = at+size, 0, some[:0]
		return err
	}
	for i := range h.spans {
		s := &h.spans[i]
		for from, end := uint64(0), uint64(s.objects)*s.element; s.pointers && from < end; {
			n := min(end-from, markRoom-size)
			some = append(some, slice{s, from, from + n})
			if size, from = size+n, from+n; size == markRoom || len(some) == maxPieces {
				if err := flush(); err != nil {
					return err
				}
			}
		}
	}
	return flush()
}

// readSlices reads some slices, one after the other.
func readSlices(m Memory, some []slice, p []byte) error {
	pieces := make([]unix.RemoteIovec, len(some))
	for i, s := range some {
		pieces[i] = piece(s.base+s.from, int(s.to-s.from))
	}
	if n, _ := m.Read(p, pieces...); n != len(p) {
		return errMissing
	}
	return nil
}

// read fills the copy.
func (h *heap) read(m Memory) error {
	return h.slices(func(some []slice, copied []byte) error { return readSlices(m, some, copied) })
}

// refresh reads all that is copied once more, and gives each object that is another to
// changed. The copy has what it is now.
func (h *heap) refresh(m Memory, changed func(s *span, i uint64)) error {
	now := make([]byte, markRoom)
	return h.slices(func(some []slice, copied []byte) error {
		if err := readSlices(m, some, now[:len(copied)]); err != nil {
			return err
		}
		fresh := now
		for _, s := range some {
			n := s.to - s.from
			if !bytes.Equal(copied[:n], fresh[:n]) {
				s.compare(copied[:n], fresh[:n], changed)
				copy(copied, fresh[:n])
			}
			copied, fresh = copied[n:], fresh[n:]
		}
		return nil
	})
}

// compare gives the objects of a slice of which some word is another to changed.
func (s slice) compare(was, now []byte, changed func(s *span, i uint64)) {
	for i := s.from / s.element; i*s.element < s.to; i++ {
		from, to := max(i*s.element, s.from)-s.from, min((i+1)*s.element, s.to)-s.from
		if !bytes.Equal(was[from:to], now[from:to]) {
			changed(s.span, i)
		}
	}
}

// free gives the copy back.
func (h *heap) free() {
	if h != nil && h.copy != nil {
		_ = unix.Munmap(h.copy) // cannot fail
		h.copy = nil
	}
}
