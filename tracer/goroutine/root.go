package goroutine

import "encoding/binary"

// recordSize is how much is read of runtime.special, a record beside an object, and of
// what follows it: the function of a finalizer, or that of a cleanup and its argument.
const recordSize = 48

// Bounds of the records that are read.
const (
	maxRecords   = 1 << 20
	maxOfOneSpan = 1 << 14
)

// chain is the records of a span that are still to be read.
type chain struct {
	*span
	next uint64 // address of the first of them
	off  uint64 // offset of the object that the last one belongs to
}

// addRecords reaches what finalizers, cleanups and weak pointers keep: what their
// records point to, what an object does that has a finalizer, and an object that weak
// pointers lead to.
//
// The program gives records back and uses them again meanwhile, and who is at one then is
// led somewhere else. So they are read more than once in a scan.
func (m *marker) addRecords() error {
	chains, err := m.chains()
	for rounds, records := 0, 0; err == nil && len(chains) > 0; rounds++ {
		if records += len(chains); records > maxRecords || rounds == maxOfOneSpan {
			return errMany
		}
		// The next record of each span that has one.
		left := 0
		err = m.readEach(len(chains), recordSize, func(i int) uint64 { return chains[i].next }, func(i int, b []byte, there bool) {
			if c := chains[i]; there && m.addRecord(&c, b) {
				chains[left] = c
				left++
			}
		})
		chains = chains[:left]
	}
	return err
}

// chains finds the first records of all spans.
func (m *marker) chains() (all []chain, err error) {
	at := func(i int) uint64 { return m.spans[i].address + spanSpecials }
	err = m.readEach(len(m.spans), 8, at, func(i int, b []byte, there bool) {
		if first := word(b, 0); there && first != 0 {
			all = append(all, chain{&m.spans[i], first, 0})
		}
	})
	return all, err
}

// addRecord reaches what one record keeps, and tells whether another one follows.
func (m *marker) addRecord(c *chain, b []byte) bool {
	off := uint64(binary.LittleEndian.Uint16(b[8:]))
	// They are in the order of their objects.
	if end := uint64(c.objects) * c.element; end <= 1<<16 && (off < c.off || off >= end) {
		return false
	}
	m.look(new(part), b[16:])
	// Some patches of a release have a whole word for the offset, and what follows it a word
	// further. No kind is 0, and what is read instead is a pointer, so that it cannot be both.
	m.keep(c.span, off, b[10])
	m.keep(c.span, word(b, 8), b[16])
	c.next, c.off = word(b, 0), off
	return c.next != 0
}

// keep reaches what a record of a kind keeps of the object at an offset of a span.
func (m *marker) keep(s *span, off uint64, kind byte) {
	i := off / s.element
	switch {
	case i >= uint64(s.objects) || kind == 0:
	case kind == m.layout.weak:
		// Until it is collected the object can be had again.
		m.reach(s.object(i).from)
	case kind == m.layout.finalizer && s.pointers:
		m.found = append(m.found, spot{s, i})
	}
}
