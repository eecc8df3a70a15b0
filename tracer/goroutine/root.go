package goroutine

import "encoding/binary"

// recordSize is how much is read of runtime.special, a record beside an object, and of
// what follows it: the function of a finalizer, or that of a cleanup and its argument.
const recordSize = 48

// Bounds of the records that are read.
const (
	maxRecords     = 1 << 20
	maxOfOneSpan   = 1 << 14
	recordPointers = 3
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
	next, off, kind, rest := word(b, 0), uint64(binary.LittleEndian.Uint16(b[8:])), b[10], b[16:]
	if m.layout.wide {
		off, kind, rest = word(b, 8), b[16], b[24:]
	}
	i := off / c.element
	// They are in the order of their objects.
	if off < c.off || i >= uint64(c.objects) {
		return false
	}
	m.look(new(part), rest[:8*recordPointers])
	switch {
	case kind == m.layout.weak && kind != 0:
		// Until it is collected the object can be had again.
		m.reach(c.object(i).from)
	case kind == m.layout.finalizer && c.pointers:
		m.found = append(m.found, spot{c.span, i})
	}
	c.next, c.off = next, off
	return next != 0
}
