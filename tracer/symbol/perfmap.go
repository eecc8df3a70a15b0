package symbol

import (
	"bufio"
	"container/heap"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// Bounds of what is read of a perf map: the process that wrote it may be
// hostile, or may simply have run for a year.
const (
	maxPerfMapBytes   = 256 << 20
	maxPerfMapEntries = 2 << 20
	maxPerfMapName    = 512
)

// PerfMap is a snapshot of the functions a JIT compiler has announced in
// /tmp/perf-PID.map. It does not change once read.
type PerfMap struct {
	// entries are sorted and do not overlap.
	entries []perfEntry
	// Malformed counts the lines that could not be understood.
	Malformed int
	// Truncated says that the file was larger than is read.
	Truncated bool
}

type perfEntry struct {
	start, end uint64
	name       string
	// order is the position in the file: code memory is reused, so the last
	// function announced for an address is the one that is there.
	order int
}

// ReadPerfMap reads lines of the form "address size name", with both numbers
// in hex. Where entries overlap the later one wins. A line it does not
// understand is counted and skipped; only r's own errors are returned.
func ReadPerfMap(r io.Reader) (*PerfMap, error) {
	m := &PerfMap{}
	limited := &io.LimitedReader{R: r, N: maxPerfMapBytes}
	br := bufio.NewReaderSize(limited, 64<<10)
	for {
		line, long, err := br.ReadLine()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading perf map: %w", err)
		}
		m.add(string(line))
		for long && err == nil {
			_, long, err = br.ReadLine()
		}
		if len(m.entries) >= maxPerfMapEntries {
			m.Truncated = true
			break
		}
	}
	m.Truncated = m.Truncated || limited.N <= 0
	m.entries = flatten(m.entries)
	return m, nil
}

// add parses one line.
func (m *PerfMap) add(line string) {
	addr, rest, ok1 := strings.Cut(strings.TrimSpace(line), " ")
	size, name, ok2 := strings.Cut(rest, " ")
	start, err1 := strconv.ParseUint(strings.TrimPrefix(addr, "0x"), 16, 64)
	length, err2 := strconv.ParseUint(strings.TrimPrefix(size, "0x"), 16, 64)
	name = strings.TrimSpace(name)
	if !ok1 || !ok2 || err1 != nil || err2 != nil || name == "" || length == 0 || start+length < start {
		m.Malformed++
		return
	}
	m.entries = append(m.entries, perfEntry{start, start + length, capName(name), len(m.entries)})
}

// Lookup names the function that pc is in.
func (m *PerfMap) Lookup(pc uint64) (string, bool) {
	i := sort.Search(len(m.entries), func(i int) bool { return m.entries[i].end > pc })
	if i == len(m.entries) || m.entries[i].start > pc {
		return "", false
	}
	return m.entries[i].name, true
}

// Frame is Lookup as a frame. V8 writes sources into the names: these become
// the frame's file and line.
func (m *PerfMap) Frame(pc uint64) (Frame, bool) {
	name, ok := m.Lookup(pc)
	if frame, script := scriptFrame(name); script {
		return frame, ok
	}
	return Frame{Function: name}, ok
}

// flatten sorts the entries and cuts them so that they do not overlap and the
// later one of the file has the addresses that two claim.
func flatten(entries []perfEntry) []perfEntry {
	sort.Slice(entries, func(i, j int) bool { return entries[i].start < entries[j].start })
	var out []perfEntry
	var open entryHeap // entries that cover at, latest of the file first
	at := uint64(0)
	emit := func(until uint64) {
		for len(open) > 0 && at < until {
			top := open[0]
			if top.end <= at {
				heap.Pop(&open)
				continue
			}
			end := min(top.end, until)
			if n := len(out); n > 0 && out[n-1].order == top.order && out[n-1].end == at {
				out[n-1].end = end
			} else {
				out = append(out, perfEntry{at, end, top.name, top.order})
			}
			at = end
		}
		at = until
	}
	for _, e := range entries {
		emit(e.start)
		heap.Push(&open, e)
	}
	emit(1<<64 - 1)
	return slices.Clip(out)
}

// entryHeap is a heap.Interface with the latest entry of the file on top.
type entryHeap []perfEntry

func (h entryHeap) Len() int           { return len(h) }
func (h entryHeap) Less(i, j int) bool { return h[i].order > h[j].order }
func (h entryHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is part of heap.Interface.
func (h *entryHeap) Push(x any) { *h = append(*h, x.(perfEntry)) }

// Pop is part of heap.Interface.
func (h *entryHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}
