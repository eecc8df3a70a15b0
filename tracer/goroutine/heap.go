package goroutine

import (
	"cmp"
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Offsets in runtime.mspan, the same in all releases that are known.
const (
	spanStart     = 24
	spanPages     = 32
	spanObjects   = 50 // u16
	spanClass     = 98 // u8: twice the class of sizes, and 1 where there are no pointers
	spanState     = 99 // u8
	spanElement   = 104
	spanSpecials  = 128
	spanSize      = spanSpecials + 8
	spanInUse     = 1
	lastSpanState = 2
)

const (
	heapPage = 8 << 10
	// arenaPages is how many pages the runtime takes from the system at a time.
	arenaPages = 8192
	arenaSize  = arenaPages * heapPage
)

// Bounds of a heap that is looked through. The tables that it takes are 12 MiB for a
// heap of 8 GiB, and half a bit for each 8 bytes.
const (
	maxSpans   = 1 << 21
	maxArenas  = 1 << 11 // with anything in them
	maxReach   = 1 << 16 // arenas between the lowest address and the highest
	highest    = 1 << 48 // no address of a program is above
	maxObjects = 1 << 28
)

var (
	errNoHeap  = errors.New("its heap is not where known releases of Go have it")
	errBigHeap = errors.New("its heap is too large")
)

// span is a part of the heap whose objects are of one size.
type span struct {
	base, element uint64
	objects       uint32
	first         uint32 // number of its first object among all
	pointers      bool   // they may hold some
	typed         bool   // they begin with the address of their type
	address       uint64 // of its runtime.mspan
	copied        uint64 // where heap.copy has them, if they may hold pointers
}

// object is where one of its objects lies.
func (s *span) object(i uint64) section {
	return section{s.base + i*s.element, s.base + (i+1)*s.element}
}

// heap is the spans in use at one time, with what is in those that may hold pointers, and
// which of their objects are marked.
type heap struct {
	copy   []byte
	spans  []span
	low    uint64 // of the first arena
	reach  uint64 // to the end of the last
	arenas []*[arenaPages]uint32
	marks  []uint64
}

// find finds the object that an address is in.
func (h *heap) find(address uint64) (s *span, i uint64) {
	off := address - h.low
	if off >= h.reach {
		return nil, 0
	}
	arena := h.arenas[off/arenaSize]
	if arena == nil {
		return nil, 0
	}
	n := arena[off/heapPage%arenaPages]
	if n == 0 {
		return nil, 0
	}
	s = &h.spans[n-1]
	if i = (address - s.base) / s.element; i >= uint64(s.objects) {
		return nil, 0 // behind the last
	}
	return s, i
}

// mark marks an object, and tells whether it was not.
func (h *heap) mark(number uint32) bool {
	bit := uint64(1) << (number % 64)
	if h.marks[number/64]&bit != 0 {
		return false
	}
	h.marks[number/64] |= bit
	return true
}

func (h *heap) marked(number uint32) bool { return h.marks[number/64]>>(number%64)&1 != 0 }

// findSpans finds runtime.mheap_.allspans: the one slice in .bss whose elements are all
// spans.
func findSpans(m Memory, bss section) (uint64, error) {
	var at uint64
	looked, found := 0, 0
	search(m, bss, 24, func(address uint64, b []byte) bool {
		l := decodeList(b)
		if l.plausible() {
			if looked++; l.spans(m) {
				at, found = address, found+1
			}
		}
		return looked == maxLists
	})
	if found != 1 {
		return 0, errNoHeap
	}
	return at, nil
}

// spans tells whether the elements of a list are spans, as far as the first show.
func (l list) spans(m Memory) bool {
	n := int(min(l.len, checked))
	pointers, b := make([]byte, 8*n), make([]byte, n*spanSize)
	if !read(m, pointers, l.first) {
		return false
	}
	pieces := make([]unix.RemoteIovec, n)
	for i := range pieces {
		pieces[i] = piece(word(pointers, uint64(8*i)), spanSize)
	}
	if got, _ := m.Read(b, pieces...); got != len(b) {
		return false
	}
	used, odd := 0, 0
	for ; len(b) > 0; b = b[spanSize:] {
		switch _, ok := decodeSpan(b); {
		case ok:
			used++
		case b[spanState] == spanInUse || b[spanState] > lastSpanState:
			odd++ // or just taken into use
		}
	}
	return used >= fewest && odd <= used/8
}

// decodeSpan reads a span with objects; it is not ok if it is none.
func decodeSpan(b []byte) (s span, ok bool) {
	s = span{
		base: word(b, spanStart), element: word(b, spanElement),
		objects:  uint32(binary.LittleEndian.Uint16(b[spanObjects:])),
		pointers: b[spanClass]&1 == 0,
	}
	const alone = 2 // a class below is for objects that have a span of their own
	s.typed = s.pointers && s.element > largestBare && s.element <= markRoom && b[spanClass] >= alone
	pages := word(b, spanPages)
	ok = b[spanState] == spanInUse && s.base != 0 && s.base < highest && s.base%heapPage == 0 &&
		pages > 0 && pages <= maxArenas*arenaPages && s.objects > 0 &&
		s.element > 0 && s.element%8 == 0 && s.element <= pages*heapPage/uint64(s.objects)
	return s, ok
}

// readHeap reads the spans that are in use.
func (r *reader) readHeap(list uint64) (*heap, error) {
	header := make([]byte, 24)
	if !read(r.memory, header, list) {
		return nil, errMissing
	}
	l := decodeList(header)
	switch {
	case !l.plausible():
		return nil, errNoHeap
	case l.len > maxSpans:
		return nil, errBigHeap
	}
	h := new(heap)
	objects := uint64(0)
	err := r.eachPointer(l, spanSize, func(address uint64, b []byte) error {
		// One that is taken into use just now is not whole.
		if s, ok := decodeSpan(b); ok {
			s.address, s.first = address, uint32(objects)
			if objects += uint64(s.objects); objects > maxObjects {
				return errBigHeap
			}
			h.spans = append(h.spans, s)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	h.marks = make([]uint64, objects/64+1)
	return h, h.index()
}

// index makes the table of which page belongs to which span.
func (h *heap) index() error {
	if len(h.spans) == 0 {
		return errNoHeap
	}
	low, high := ^uint64(0), uint64(0)
	for i := range h.spans {
		s := &h.spans[i]
		low, high = min(low, s.base), max(high, s.object(uint64(s.objects)-1).to)
	}
	h.low = low &^ (arenaSize - 1)
	if high < h.low || (high-h.low)/arenaSize >= maxReach {
		return errBigHeap
	}
	h.arenas = make([]*[arenaPages]uint32, (high-h.low)/arenaSize+1)
	h.reach = uint64(len(h.arenas)) * arenaSize
	used, pages := 0, 0
	for i := range h.spans {
		s := &h.spans[i]
		for page := s.base; page < s.object(uint64(s.objects)-1).to; page += heapPage {
			arena := &h.arenas[(page-h.low)/arenaSize]
			if *arena == nil {
				*arena = new([arenaPages]uint32)
				used++
			}
			(*arena)[page/heapPage%arenaPages] = uint32(i + 1)
			// In an honest process few lie above another: they are read while it runs.
			if pages++; used > maxArenas || pages > maxArenas*arenaPages {
				return errBigHeap
			}
		}
	}
	return nil
}

// eachPointer reads what the elements of a list point to, of one size.
func (r *reader) eachPointer(l list, size int, each func(address uint64, b []byte) error) error {
	pointers, missing := make([]byte, 8*batch), 0
	for i := uint64(0); i < l.len; i += batch {
		n := min(batch, l.len-i)
		if !read(r.memory, pointers[:8*n], l.first+8*i) {
			return errMissing
		}
		at := func(i int) uint64 { return word(pointers, uint64(8*i)) }
		var failed error
		err := r.readEach(int(n), size, at, func(i int, b []byte, there bool) {
			switch {
			case !there:
				missing++
			case failed == nil:
				failed = each(at(i), b)
			}
		})
		if err = cmp.Or(err, failed); err != nil {
			return err
		}
		if missing > maxMissing {
			return errMissing
		}
	}
	return nil
}
