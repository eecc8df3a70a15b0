package symbol

import (
	"bufio"
	"container/heap"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unsafe"
)

// maxPerfMapLine is how long a line may be. The rest of one that is longer is taken
// for the next, lest a file without any lines is read to its end.
const maxPerfMapLine = 64 << 10

// perfEntryBytes is what an entry takes besides its name. Another may split it.
const perfEntryBytes = 2 * int64(unsafe.Sizeof(perfEntry{}))

// PerfMap is the functions a JIT compiler has announced in /tmp/perf-PID.map, as
// far as that was read. The zero value has none.
type PerfMap struct {
	// entries are sorted and do not overlap.
	entries []perfEntry
	read    int // entries
	// Bytes is about how much memory the functions take, at most.
	Bytes int64
	// Malformed counts the lines that could not be understood.
	Malformed int
}

type perfEntry struct {
	start, end uint64
	name       string
	// order is the position in the file: code memory is reused, so the last
	// function announced for an address is the one that is there.
	order int
}

// Read adds lines of the form "address size name", with both numbers in hex.
// Where entries overlap the later one wins. A line it does not understand is
// counted and skipped. It ends at the last whole line, or when what it has read,
// or keeps of that, has as many bytes as there is room for: the process that writes
// may be hostile. It returns how many bytes of r it is done with; r's own errors
// are returned.
func (m *PerfMap) Read(r io.Reader, room int64) (done int64, err error) {
	br := bufio.NewReaderSize(r, maxPerfMapLine)
	fresh := slices.Clone(m.entries)
	for kept := int64(0); max(done, kept) < room; {
		line, end := br.ReadSlice('\n')
		if end == io.EOF {
			break
		}
		if end != nil && !errors.Is(end, bufio.ErrBufferFull) {
			err = fmt.Errorf("reading perf map: %w", end)
			break
		}
		done += int64(len(line))
		e, ok := parsePerfEntry(string(line))
		if !ok {
			m.Malformed++
			continue
		}
		e.order = m.read
		m.read++
		kept += e.bytes()
		fresh = append(fresh, e)
	}
	m.keep(fresh)
	return done, err
}

func (m *PerfMap) keep(fresh []perfEntry) {
	if len(fresh) == len(m.entries) {
		return
	}
	m.entries, m.Bytes = flatten(fresh), 0
	for i := range m.entries {
		m.Bytes += m.entries[i].bytes()
	}
}

// parsePerfEntry keeps nothing of the line but the name.
func parsePerfEntry(line string) (e perfEntry, ok bool) {
	addr, rest, ok1 := strings.Cut(strings.TrimSpace(line), " ")
	size, name, ok2 := strings.Cut(rest, " ")
	if name = strings.TrimSpace(name); !ok1 || !ok2 || name == "" {
		return perfEntry{}, false
	}
	start, err1 := strconv.ParseUint(strings.TrimPrefix(addr, "0x"), 16, 64)
	length, err2 := strconv.ParseUint(strings.TrimPrefix(size, "0x"), 16, 64)
	if err1 != nil || err2 != nil || length == 0 || start+length < start {
		return perfEntry{}, false
	}
	return perfEntry{start: start, end: start + length, name: strings.Clone(capName(name))}, true
}

func (e *perfEntry) bytes() int64 { return perfEntryBytes + int64(len(e.name)) }

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
