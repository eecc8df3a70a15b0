package limit

import (
	"bufio"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// space is what /proc/PID/maps says of an address space.
type space struct {
	mappings uint64
	// stack is the commonest size of a thread stack in bytes, with its guard, and
	// stacks how many have that size. A stack is private memory right above a
	// smaller piece that nobody may touch, the guard.
	stack, stacks uint64
}

// stacks is vm.max_map_count and RLIMIT_AS, of which every thread takes some for
// its stack, until it is joined. A C library that guards stacks without a
// mapping (glibc from 2.42 on, Linux 6.13), and runtimes that take stacks from
// their heap, do not; so the maps must show a stack for every other thread at
// least, all of one size.
func stacks(p *process) []Limit {
	s, ok := readSpace(filepath.Join(p.dir, "maps"))
	if !ok || s.stacks == 0 || 2*s.stacks+1 < p.status.threads {
		return nil
	}
	var limits []Limit
	if limit, ok := readNumber(p.path("proc/sys/vm/max_map_count")); ok {
		limits = append(limits, Limit{
			Name:     "vm.max_map_count of " + p.name,
			Resource: Mappings, Each: each(Mappings, 2),
			Used: s.mappings, Max: limit,
		})
	}
	if p.limits != nil && p.limits.AddressSpace < boundless {
		limits = append(limits, Limit{
			Name:     "RLIMIT_AS of " + p.name,
			Resource: AddressSpace, Each: each(AddressSpace, s.stack),
			Used: p.status.size, Max: p.limits.AddressSpace,
		})
	}
	return limits
}

func readSpace(path string) (space, bool) {
	f, err := os.Open(path)
	if err != nil {
		return space{}, false
	}
	defer f.Close()
	return parseSpace(f)
}

func parseSpace(r io.Reader) (space, bool) {
	var s space
	var guard mapping
	sizes := map[uint64]uint64{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m, ok := parseMapping(lines.Text())
		if !ok {
			return space{}, false
		}
		if m.name == "[vsyscall]" {
			continue // The kernel shows it and does not count it.
		}
		s.mappings++
		if m.above(guard) {
			sizes[m.end-guard.start]++
		}
		guard = m
	}
	s.stack = commonest(sizes)
	s.stacks = sizes[s.stack]
	return s, lines.Err() == nil && s.mappings > 0
}

// commonest is the size that occurs most often, the smaller one of two.
func commonest(sizes map[uint64]uint64) (size uint64) {
	for s, n := range sizes {
		if most := sizes[size]; n > most || n == most && s < size {
			size = s
		}
	}
	return size
}

// mapping is a line of /proc/PID/maps.
type mapping struct {
	start, end uint64
	mode, name string
	anonymous  bool
}

// above tells a stack above its guard. What malloc keeps for its arenas looks
// alike, but there the part that nobody may touch is the larger one.
func (m mapping) above(guard mapping) bool {
	return guard.anonymous && m.anonymous && guard.mode == "---p" && strings.HasPrefix(m.mode, "rw") &&
		guard.end == m.start && guard.end-guard.start < m.end-m.start
}

func parseMapping(line string) (mapping, bool) {
	fields := strings.Fields(line) // addresses, mode, offset, device, inode, name
	if len(fields) < 5 {
		return mapping{}, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	start, startErr := strconv.ParseUint(from, 16, 64)
	end, endErr := strconv.ParseUint(to, 16, 64)
	m := mapping{start: start, end: end, mode: fields[1]}
	if len(fields) > 5 {
		m.name = fields[5]
	}
	m.anonymous = fields[4] == "0" && (m.name == "" || strings.HasPrefix(m.name, "[anon:"))
	return m, startErr == nil && endErr == nil && start < end
}
