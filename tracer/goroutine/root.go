package goroutine

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// recordSize is how much is read of runtime.special, a record beside an object, and of
// what follows it: the function of a finalizer, or that of a cleanup and its argument.
const recordSize = 48

// Bounds of the records that are read.
const (
	maxRecords     = 1 << 20
	maxOfOneSpan   = 1 << 14
	recordPointers = 3
)

// addRecords reaches what finalizers, cleanups and weak pointers keep: what their
// records point to, what an object does that has a finalizer, and an object that weak
// pointers lead to.
func (m *marker) addRecords() error {
	var spans []*span
	var at []uint64
	for i := range m.spans {
		if s := &m.spans[i]; s.specials != 0 {
			spans, at = append(spans, s), append(at, s.specials)
		}
	}
	for rounds, records := 0, 0; len(at) > 0; rounds++ {
		if records += len(at); records > maxRecords || rounds == maxOfOneSpan {
			return errMany
		}
		// The next record of each span that has one.
		left := 0
		err := m.eachRecord(at, func(i int, b []byte) {
			m.addRecord(spans[i], b)
			if next := word(b, 0); next != 0 {
				spans[left], at[left] = spans[i], next
				left++
			}
		})
		if err != nil {
			return err
		}
		spans, at = spans[:left], at[:left]
	}
	return nil
}

func (m *marker) eachRecord(at []uint64, each func(i int, b []byte)) error {
	buffer := make([]byte, batch*recordSize)
	pieces := make([]unix.RemoteIovec, 0, batch)
	for i := 0; i < len(at); i += batch {
		pieces = pieces[:0]
		for _, address := range at[i:min(len(at), i+batch)] {
			pieces = append(pieces, piece(address, recordSize))
		}
		if err := gather(m.memory, buffer, pieces, m.there); err != nil {
			return err
		}
		for n := range pieces {
			if m.there[n] {
				each(i+n, buffer[n*recordSize:][:recordSize])
			}
		}
	}
	return nil
}

// addRecord reaches what one record keeps.
func (m *marker) addRecord(s *span, b []byte) {
	off, kind, rest := uint64(binary.LittleEndian.Uint16(b[8:])), b[10], b[16:]
	if m.layout.wide {
		off, kind, rest = word(b, 8), b[16], b[24:]
	}
	m.look(new(part), rest[:8*recordPointers])
	i := off / s.element
	switch {
	case i >= uint64(s.objects):
	case kind == m.layout.weak && kind != 0:
		// Until it is collected the object can be had again.
		m.reach(s.object(i).from)
	case kind == m.layout.finalizer && s.pointers:
		m.found = append(m.found, spot{s, i})
	}
}
