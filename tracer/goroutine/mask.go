package goroutine

import "encoding/binary"

// mask tells which words of memory are pointers: a bit each. The words behind it are
// none, and after period words it begins again; 0 is for never.
type mask struct {
	bits   []byte
	period uint64
}

// has tells whether a word is a pointer. No mask is for all of them.
func (k *mask) has(i uint64) bool {
	if k == nil {
		return true
	}
	if k.period > 0 {
		i %= k.period
	}
	return i/8 < uint64(len(k.bits)) && k.bits[i/8]>>(i%8)&1 != 0
}

// readMask reads a bit vector of the runtime's for a section.
func readMask(m Memory, vector []byte, s section) (*mask, bool) {
	n := uint64(binary.LittleEndian.Uint32(vector))
	if n != (s.to-s.from)/8 {
		return nil, false
	}
	bits := make([]byte, (n+7)/8)
	return &mask{bits: bits}, n == 0 || read(m, bits, word(vector, 8))
}

// Fields of abi.Type, which says of objects that are larger than half a kilobyte where
// their pointers are.
const (
	typeSize     = 0
	typePointers = 8  // behind these bytes there are none
	typeFlags    = 20 // u8
	typeKind     = 23 // u8
	typeMask     = 32
	typeRead     = 40

	flagLater = 1 << 4 // a pointer to where the mask is once somebody needed it (Go 1.24)
	kindNone  = 1 << 6 // it is a program that makes one (until Go 1.23)
)

const (
	// largestBare is the size of the largest objects that do not begin with the address
	// of their type, and headerSize that of the address.
	largestBare = 512
	headerSize  = 8
	// maxTypes is how many types are remembered.
	maxTypes = 1 << 14
)

// maskOf is the mask of objects of a type, nil where it is not known.
func (m *marker) maskOf(address, room uint64) *mask {
	if k, known := m.types[address]; known {
		return k
	}
	if address == 0 || len(m.types) == maxTypes {
		return nil
	}
	k := m.readType(address, room)
	m.types[address] = k
	return k
}

// readType reads the mask of a type of which an object has so much room.
func (m *marker) readType(address, room uint64) *mask {
	b := make([]byte, typeRead)
	if !read(m.memory, b, address) || !m.layout.late && b[typeFlags]&flagLater|b[typeKind]&kindNone != 0 {
		return nil
	}
	size, pointers := word(b, typeSize), word(b, typePointers)
	if size == 0 || size%8 != 0 || size > room || pointers%8 != 0 || pointers > size || pointers == 0 {
		return nil
	}
	at := b[typeMask:typeRead]
	if b[typeFlags]&flagLater != 0 && !read(m.memory, at, word(at, 0)) {
		return nil
	}
	bits := make([]byte, (pointers/8+7)/8)
	if !read(m.memory, bits, word(at, 0)) {
		return nil
	}
	return &mask{bits, size / 8}
}
