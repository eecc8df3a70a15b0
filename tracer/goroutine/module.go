package goroutine

import (
	"encoding/binary"
	"errors"
)

// section is a range of addresses.
type section struct{ from, to uint64 }

func (s section) has(address uint64) bool { return address >= s.from && address < s.to }

// module is the part of runtime.moduledata that is needed: where things lie.
type module struct{ text, data, bss section }

// Words of runtime.moduledata, the same since Go 1.20.
const (
	wordText    = 22
	wordData    = 26
	wordBSS     = 28
	moduleWords = 30
)

// maxSection bounds what is searched.
const maxSection = 256 << 20

var errNoModule = errors.New("the runtime's description of the program is not where its file says")

// readModule reads a module from live memory, where its addresses are relocated.
func readModule(m Memory, address uint64) (module, error) {
	b := make([]byte, 8*moduleWords)
	if !read(m, b, address) {
		return module{}, errNoModule
	}
	pair := func(i uint64) section { return section{word(b, 8*i), word(b, 8*i+8)} }
	out := module{text: pair(wordText), data: pair(wordData), bss: pair(wordBSS)}
	for _, s := range []section{out.text, out.data, out.bss} {
		if s.from == 0 || s.from%8 != 0 || s.to < s.from || s.to-s.from > maxSection {
			return module{}, errNoModule
		}
	}
	return out, nil
}

// maxModules bounds how many plugins a program has loaded.
const maxModules = 256

// readModules reads the module of a program and those of the plugins that it has loaded.
// That each has masks of its data and bss, which are as long, shows that the way to the
// next one is right.
func readModules(m Memory, address uint64, l heapLayout) (all []module, err error) {
	b := make([]byte, 8*(l.next+1))
	for address != 0 {
		mod, err := readModule(m, address)
		if err != nil {
			return nil, err
		}
		if !read(m, b, address) || !masks(b[8*l.mask:], mod.data) || !masks(b[8*l.mask+16:], mod.bss) {
			return nil, errNoModule
		}
		if all = append(all, mod); len(all) > maxModules {
			return nil, errNoModule
		}
		address = word(b, 8*l.next)
	}
	return all, nil
}

// masks tells whether a bit vector (runtime.bitvector) has a bit for each word of a section.
func masks(b []byte, s section) bool {
	return uint64(binary.LittleEndian.Uint32(b)) == (s.to-s.from)/8
}

// chunk is how much is searched at once.
const chunk = 256 << 10

// search gives to look each word of a section, with as many bytes as follow it,
// until look has found what it wants. The last words have less than size behind them
// and are left out.
func search(m Memory, s section, size uint64, look func(address uint64, b []byte) bool) {
	buf := make([]byte, chunk)
	const step = chunk - chunk/4 // the rest is read twice
	for off := uint64(0); off < s.to-s.from; off += step {
		b := buf[:min(chunk, s.to-s.from-off)]
		n, _ := m.Read(b, piece(s.from+off, len(b)))
		for i := uint64(0); i+size <= uint64(n) && i < step; i += 8 {
			if look(s.from+off+i, b[i:n]) {
				return
			}
		}
	}
}
