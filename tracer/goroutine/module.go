package goroutine

import "errors"

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

// maxModules bounds how many plugins a program has loaded, and maxVariables how many bytes
// of variables all have.
const maxModules, maxVariables = 256, 512 << 20

// readVariables reads where the variables of a program and of the plugins that it has
// loaded are, and which words of them are pointers. That each module has a mask of the
// right size shows that the way to the next one is right, too.
func readVariables(m Memory, address uint64, l heapLayout) (all []part, err error) {
	b, size := make([]byte, 8*(l.next+1)), uint64(0)
	for seen := make(map[uint64]bool); address != 0; {
		mod, err := readModule(m, address)
		if err != nil || seen[address] || len(seen) == maxModules || !read(m, b, address) {
			return nil, errNoModule
		}
		seen[address] = true
		for i, s := range []section{mod.data, mod.bss} {
			if size += s.to - s.from; size > maxVariables {
				return nil, errMany
			}
			known, ok := readMask(m, b[8*(l.mask+2*uint64(i)):], s)
			if !ok {
				return nil, errNoModule
			}
			all = append(all, part{section: s, mask: known})
		}
		address = word(b, 8*l.next)
	}
	return all, nil
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
