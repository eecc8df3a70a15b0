package tracer

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// creations counts what each stack created since it was asked last. Programs
// count in one of two maps while Go empties the other.
//
// To delete single entries of a map that programs use would be wrong. A program
// that has looked an entry up adds to it a moment later, and by then the kernel
// may have given the entry's memory to another stack: a preallocated map does so
// at once, and from 6.1 on one that is not preallocated does as well.
type creations struct {
	using *ebpf.Map // a map of maps: names the one in use
	maps  [2]*ebpf.Map
	now   int // which one that is
	// ids and counts are room to read a whole map into.
	ids    []uint64
	counts []ledgerLeakSite
}

func newCreations(m *ledgerMaps) *creations {
	size := m.SitesEven.MaxEntries()
	return &creations{
		using: m.Sites, maps: [2]*ebpf.Map{m.SitesEven, m.SitesOdd},
		ids: make([]uint64, size), counts: make([]ledgerLeakSite, size),
	}
}

// turn returns the counts since the last turn, by stack id. Every program that
// began before it has ended when it returns, and what it did is counted: the
// kernel returns from an update of a map of maps after an RCU grace period, for
// this very purpose (maybe_wait_bpf_programs in kernel/bpf/syscall.c, since 4.15).
// That takes some milliseconds.
func (c *creations) turn() (map[uint64]uint64, error) {
	old, next := c.maps[c.now], 1-c.now
	if err := c.using.Put(uint32(0), c.maps[next]); err != nil {
		return nil, fmt.Errorf("change the map of creation counts: %w", err)
	}
	c.now = next
	counts, err := c.read(old.BatchLookupAndDelete)
	if err != nil {
		return nil, fmt.Errorf("empty creation counts: %w", err)
	}
	return counts, nil
}

// since returns the counts since the last turn, and leaves them.
func (c *creations) since() (map[uint64]uint64, error) {
	counts, err := c.read(c.maps[c.now].BatchLookup)
	if err != nil {
		return nil, fmt.Errorf("read creation counts: %w", err)
	}
	return counts, nil
}

// batch is a way to read many entries of a map.
type batch func(*ebpf.MapBatchCursor, any, any, *ebpf.BatchOptions) (int, error)

// read reads a whole map. Entries may be added meanwhile, but none deleted.
func (c *creations) read(next batch) (map[uint64]uint64, error) {
	out := make(map[uint64]uint64)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := next(&cursor, c.ids, c.counts, nil)
		for i := range n {
			out[c.ids[i]] = c.counts[i].Created
		}
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			return out, nil // that was the end
		}
		if err != nil {
			return nil, err
		}
	}
}
