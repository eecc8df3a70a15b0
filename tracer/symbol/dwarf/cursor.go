package dwarf

import (
	"bytes"
	"encoding/binary"
	"errors"
)

var errShort = errors.New("unexpected end of DWARF data")

// cursor decodes little-endian data. After the first error every read returns
// zero, so that callers check once, at the end.
type cursor struct {
	b   []byte
	off int
	err error
}

// take returns the next n bytes, or nil and sets the error.
func (c *cursor) take(n uint64) []byte {
	if c.err != nil || n > uint64(len(c.b)-c.off) {
		c.fail()
		return nil
	}
	b := c.b[c.off : c.off+int(n)]
	c.off += int(n)
	return b
}

func (c *cursor) fail() {
	if c.err == nil {
		c.err = errShort
	}
	c.off = len(c.b)
}

func (c *cursor) more() bool { return c.err == nil && c.off < len(c.b) }

// uint reads an integer of n bytes, at most 8.
func (c *cursor) uint(n int) uint64 {
	b := c.take(uint64(n))
	var v uint64
	for i, x := range b {
		v |= uint64(x) << (8 * i)
	}
	return v
}

func (c *cursor) u8() uint8   { return uint8(c.uint(1)) }
func (c *cursor) u16() uint16 { return uint16(c.uint(2)) }

func (c *cursor) u64() uint64 {
	if b := c.take(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// offset reads a section offset, which is 8 bytes wide in 64-bit DWARF.
func (c *cursor) offset(wide bool) uint64 {
	if wide {
		return c.u64()
	}
	return c.uint(4)
}

// length reads the initial length of a unit.
func (c *cursor) length() (n uint64, wide bool) {
	n = c.uint(4)
	if n == 0xffffffff {
		return c.u64(), true
	}
	if n >= 0xfffffff0 {
		c.fail()
	}
	return n, false
}

func (c *cursor) uleb() uint64 {
	var v uint64
	for shift := 0; shift < 70; shift += 7 {
		if c.err != nil || c.off >= len(c.b) {
			c.fail()
			return 0
		}
		x := c.b[c.off]
		c.off++
		v |= uint64(x&0x7f) << shift
		if x&0x80 == 0 {
			return v
		}
	}
	c.fail()
	return 0
}

func (c *cursor) sleb() int64 {
	var v int64
	for shift := 0; shift < 70; shift += 7 {
		if c.err != nil || c.off >= len(c.b) {
			c.fail()
			return 0
		}
		x := c.b[c.off]
		c.off++
		v |= int64(x&0x7f) << shift
		if x&0x80 == 0 {
			if shift < 57 && x&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
	c.fail()
	return 0
}

// cstring reads up to and over the next zero byte.
func (c *cursor) cstring() []byte {
	n := bytes.IndexByte(c.b[c.off:], 0)
	if n < 0 {
		c.fail()
		return nil
	}
	b := c.b[c.off : c.off+n]
	c.off += n + 1
	return b
}
