package goroutine

import (
	"errors"
	"time"
)

// Limits bound what a call of Verify costs.
type Limits struct {
	// Objects is how many objects of the heap a scan marks at most. Bytes is how many
	// bytes of the process's memory it reads, and keeps, and how many it then reads again
	// each time that it looks for what has changed.
	Objects int
	Bytes   uint64
	// Until is when to give up, and Done is closed to have it give up at once: nil is for
	// never.
	Until time.Time
	Done  <-chan struct{}
	// Pause is the time between two scans.
	Pause time.Duration
}

var (
	errMany = errors.New("there is too much in its heap")
	errSlow = errors.New("it takes too long")
)

// ErrStopped is returned by Verify if Limits.Done is closed before it has a verdict.
var ErrStopped = errors.New("it was stopped")

// over tells why there is no time left, nil if there is.
func (l *Limits) over() error {
	select {
	case <-l.Done:
		return ErrStopped
	default:
	}
	if time.Now().After(l.Until) {
		return errSlow
	}
	return nil
}

// rest waits for the time between two scans.
func (l *Limits) rest() error {
	pause := time.NewTimer(l.Pause)
	defer pause.Stop()
	select {
	case <-l.Done:
		return ErrStopped
	case <-pause.C:
		return nil
	}
}

// spot is an object.
type spot struct {
	*span
	i uint64
}

// marker marks what can be reached: all objects of the heap to which there is a pointer,
// or a word that looks like one where it is not known which words are pointers.
type marker struct {
	*reader
	*heap
	layout heapLayout
	// skipped are the objects that nothing is reached by way of, by number.
	skipped map[uint32]bool
	found   []spot           // objects that are to be looked through
	types   map[uint64]*mask // by address
	// waiters is which of the goroutines that wait do so for an object, by its number,
	// and woken those of which it has been reached.
	waiters map[uint32][]*blocked
	woken   []*blocked
}

func newMarker(from *reader, l heapLayout, h *heap) *marker {
	return &marker{
		reader: from, heap: h, layout: l,
		skipped: make(map[uint32]bool), types: make(map[uint64]*mask), waiters: make(map[uint32][]*blocked),
	}
}

// reach notes that there is a pointer, as long as more objects may be marked: drain fails
// then.
func (m *marker) reach(address uint64) {
	s, i := m.find(address)
	if s == nil || m.limits.Objects < 0 {
		return
	}
	number := s.first + uint32(i)
	if !m.mark(number) {
		return
	}
	if waiters := m.waiters[number]; waiters != nil {
		m.woken = append(m.woken, waiters...)
	}
	if s.pointers {
		m.found = append(m.found, spot{s, i})
	}
	m.limits.Objects--
}

// skip marks an object without looking at what is in it. It tells whether there is one
// that begins there.
func (m *marker) skip(address uint64) bool {
	s, i := m.find(address)
	if s == nil || s.object(i).from != address {
		return false
	}
	m.mark(s.first + uint32(i))
	m.skipped[s.first+uint32(i)] = true
	return true
}

// drain looks through all that is to be looked through, and what it leads to.
func (m *marker) drain() error {
	if err := m.readQueue(m.look); err != nil {
		return err
	}
	for n := 0; len(m.found) > 0 && m.limits.Objects >= 0; n++ {
		last := m.found[len(m.found)-1]
		m.found = m.found[:len(m.found)-1]
		m.lookAt(last)
		if n%(1<<12) != 0 {
			continue
		}
		if err := m.limits.over(); err != nil {
			return err
		}
	}
	if m.limits.Objects < 0 {
		return errMany
	}
	return nil
}

// lookAt looks through an object.
func (m *marker) lookAt(o spot) {
	b, p := m.content(o.span, o.i), part{}
	if o.typed {
		p.mask, b = m.maskOf(word(b, 0), uint64(len(b)-headerSize)), b[headerSize:]
	}
	m.look(&p, b)
}

// look reaches what the pointers in a part of the memory point to.
func (m *marker) look(p *part, b []byte) {
	for i := p.first; len(b) >= 8; i, b = i+1, b[8:] {
		if w := word(b, 0); w-m.low < m.heap.reach && p.mask.has(i) {
			m.reach(w)
		}
	}
}
