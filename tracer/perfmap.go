package tracer

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// How many bytes the symbols of JIT code may take, of all processes together. The
// second is for a node.
const (
	maxPerfMaps     = 256 << 20
	maxNodePerfMaps = 64 << 20
)

// Of that: which part one cgroup may have, how much is read of a file at once, and
// in a second of all a cgroup's, of which it may have as much as symbolsAhead at once.
const (
	symbolsShare = 4
	symbolsLook  = 8
	symbolsRate  = 64
	symbolsAhead = 16 * time.Second
	// To sort a function in with the others costs so much less than to read it.
	symbolsSort = 8
)

// perfMapEvery bounds how often the symbols of a process's JIT code are read.
const perfMapEvery = time.Second

// perfMaps is the symbols that processes' JIT compilers write for perf.
type perfMaps struct {
	byPID map[int]*perfMap
	all   symbolAccount
	max   int64
}

// symbolAccount is what a tenant has of symbols, or all have, and until when what
// it has had read is paid for.
type symbolAccount struct {
	bytes int64
	paid  time.Time
}

// perfMap is one process's.
type perfMap struct {
	symbols symbol.PerfMap
	looked  time.Time
	tenant  *tenant // whose process it is; nil unless a node is traced
	// info is of the file when it was read last, up to done; tail is what was
	// before done.
	info os.FileInfo
	done int64
	tail []byte
}

func newPerfMaps(max int64) perfMaps { return perfMaps{byPID: make(map[int]*perfMap), max: max} }

// of returns what a process's JIT compiler has written so far; nil without any.
func (p *perfMaps) of(pid int, whose *tenant) *symbol.PerfMap {
	known := p.byPID[pid]
	if known == nil {
		known = &perfMap{tenant: whose}
		p.byPID[pid] = known
	}
	if time.Since(known.looked) >= perfMapEvery {
		known.looked = time.Now()
		p.look(pid, known)
	}
	if known.info == nil {
		return nil
	}
	return &known.symbols
}

func (p *perfMaps) account(whose *tenant) *symbolAccount {
	if whose != nil {
		return &whose.symbols
	}
	return &p.all
}

// room is how much may be read now of a tenant's.
func (p *perfMaps) room(whose *tenant) int64 {
	if time.Until(p.account(whose).paid) >= symbolsAhead {
		return 0
	}
	room := p.max - p.all.bytes
	if whose != nil {
		room = min(room, p.max/symbolsShare-whose.symbols.bytes)
	}
	return max(0, min(room, p.max/symbolsLook))
}

// pay is for work, in bytes read.
func (p *perfMaps) pay(whose *tenant, work int64) {
	account, now := p.account(whose), time.Now()
	if account.paid.Before(now) {
		account.paid = now
	}
	account.paid = account.paid.Add(time.Duration(work * int64(time.Second) / (p.max / symbolsRate)))
}

// look reads what was written since the last time. What a process has compiled that has
// ended, its children may execute still.
func (p *perfMaps) look(pid int, known *perfMap) {
	f, err := openPerfMap(pid)
	if err != nil {
		if _, rootErr := os.Stat(rootOf(pid)); rootErr == nil {
			p.drop(known)
		}
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		p.drop(known)
		return
	}
	if known.info != nil && !known.continues(f, info) {
		p.drop(known)
	}
	if known.info != nil && known.done == info.Size() {
		return
	}
	known.info = info
	p.read(f, known)
}

// continues tells whether a file is the one that was read before, and what was
// read is in it still: some programs write it anew.
func (m *perfMap) continues(f io.ReaderAt, info os.FileInfo) bool {
	if !os.SameFile(m.info, info) || info.Size() < m.done {
		return false
	}
	if info.Size() == m.info.Size() {
		return info.ModTime().Equal(m.info.ModTime())
	}
	tail := make([]byte, len(m.tail))
	_, err := f.ReadAt(tail, m.done-int64(len(tail)))
	return err == nil && bytes.Equal(tail, m.tail)
}

// read goes on where it ended the last time. What a malformed file does hold is
// used; the rest has no names.
func (p *perfMaps) read(f io.ReaderAt, known *perfMap) {
	whose := known.tenant
	room := p.room(whose)
	if room == 0 {
		whose.refuseSymbols()
		return
	}
	before := known.symbols.Bytes
	done, err := known.symbols.Read(io.NewSectionReader(f, known.done, known.info.Size()-known.done), room)
	p.keeps(whose, known.symbols.Bytes-before)
	if done > 0 {
		p.pay(whose, done+known.symbols.Bytes/symbolsSort)
	}
	known.done += done
	known.tail = make([]byte, min(known.done, 256))
	if _, tailErr := f.ReadAt(known.tail, known.done-int64(len(known.tail))); err != nil || tailErr != nil {
		known.tail = nil
	}
}

func (p *perfMaps) keeps(whose *tenant, bytes int64) {
	p.all.bytes += bytes
	if whose != nil {
		whose.symbols.bytes += bytes
	}
}

// drop forgets what was read.
func (p *perfMaps) drop(known *perfMap) {
	p.keeps(known.tenant, -known.symbols.Bytes)
	*known = perfMap{looked: known.looked, tenant: known.tenant}
}

// rootOf is where the root directory of a process is found for as long as it lives.
func rootOf(pid int) string { return fmt.Sprintf("/proc/%d/root", pid) }

// openPerfMap opens the file that has the pid which the process has in its own
// namespace.
func openPerfMap(pid int) (*os.File, error) {
	return openIn(rootOf(pid), fmt.Sprintf("/tmp/perf-%d.map", innerPID(pid)))
}

// forgetPerfMaps lets go of those of processes that have ended, once there is no space
// either that was read from them.
func (ss *stacks) forgetPerfMaps(alive map[int]*process) {
	if len(ss.perfMaps.byPID) == 0 {
		return
	}
	spaces := make(map[int]bool)
	for _, s := range ss.spaces.byID {
		spaces[s.pid] = true
	}
	for pid, known := range ss.perfMaps.byPID {
		if !spaces[pid] && alive[pid] == nil {
			ss.perfMaps.drop(known)
			delete(ss.perfMaps.byPID, pid)
		}
	}
}
