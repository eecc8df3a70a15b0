package tracer

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// clock converts the kernel's monotonic times, the same one always to the same
// time: wherever the wall clock is set to meanwhile.
type clock struct {
	start     time.Time
	monotonic uint64 // at start
}

func startClock() (clock, error) {
	ns, err := monotonic()
	return clock{time.Now(), ns}, err
}

func monotonic() (uint64, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0, fmt.Errorf("read monotonic clock: %w", err)
	}
	return uint64(ts.Nano()), nil
}

func (c clock) time(ns uint64) time.Time {
	return c.start.Add(time.Duration(int64(ns) - int64(c.monotonic)))
}

// readRecords reads fixed-size records of an iterator's output. T must be a
// type generated from a C struct.
func readRecords[T any](r io.Reader, each func(*T)) error {
	var record T
	size := int(unsafe.Sizeof(record))
	buffer := make([]byte, 256*size)
	filled := 0
	for {
		n, err := r.Read(buffer[filled:])
		filled += n
		used := 0
		for ; filled-used >= size; used += size {
			// The buffer is the kernel's copy of the C struct, byte for byte.
			record = *(*T)(unsafe.Pointer(&buffer[used]))
			each(&record)
		}
		filled = copy(buffer, buffer[used:filled])
		if errors.Is(err, io.EOF) {
			if filled != 0 {
				return fmt.Errorf("output ends within a record of %d bytes", size)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// ledger is the kernel's ledger at one instant, or as near to one as a busy
// program allows.
type ledger struct {
	taken   time.Time
	tasks   []ledgerLeakTaskRecord
	sockets []socket
	threads []finishedThread
	// listening is the ports that traced processes listen at, unqueued how many
	// connections in accept queues were not looked at.
	listening map[uint16]bool
	unqueued  uint64
	// since counts creations by stack id, from the turn of the maps on to after
	// the objects were read.
	since map[uint64]uint64
}

// finishedThread is an entry of the tcbs map.
type finishedThread struct {
	key ledgerLeakTcbKey
	ledgerLeakTcb
}

// readLedger reads the ledger in an order that bounds what a busy program does
// meanwhile: an object counted before the turn that no list shows was given back.
// A thread that ends while the lists are read is alive in one and ended in the
// next, never neither.
func (t *Tracer) readLedger() (*ledger, error) {
	now, err := monotonic()
	if err != nil {
		return nil, err
	}
	l := &ledger{taken: t.clock.time(now), tasks: make([]ledgerLeakTaskRecord, 0, t.tasks)}
	err = errors.Join(
		t.iterate(ledgerProgSnapshotTasks, func(r io.Reader) error {
			return readRecords(r, func(record *ledgerLeakTaskRecord) { l.tasks = append(l.tasks, *record) })
		}),
		t.iterate(ledgerProgSnapshotSockets, func(r io.Reader) error { return t.readSockets(l, r) }),
		l.readThreads(t.maps.Tcbs),
	)
	if err != nil {
		return nil, err
	}
	t.tasks = len(l.tasks)
	l.since, err = t.creations.since()
	return l, err
}

// makers fills in which processes have created objects by way of stacks: of each stack
// one, and 0 where no object of it is left.
func (l *ledger) makers(stacks map[uint64]int) map[uint64]int {
	if len(stacks) == 0 {
		return stacks
	}
	made := func(b *ledgerLeakBirth) {
		if _, wanted := stacks[b.Stack]; wanted {
			stacks[b.Stack] = int(b.CreatorTgid)
		}
	}
	for i := range l.tasks {
		made(&l.tasks[i].Birth)
	}
	for i := range l.sockets {
		made(&l.sockets[i].Birth)
	}
	for i := range l.threads {
		made(&l.threads[i].Birth)
	}
	return stacks
}

// readThreads reads the tcbs map.
func (l *ledger) readThreads(tcbs *ebpf.Map) error {
	err := readMap(tcbs, func(key *ledgerLeakTcbKey, thread *ledgerLeakTcb) {
		l.threads = append(l.threads, finishedThread{*key, *thread})
	})
	if err != nil {
		return fmt.Errorf("read finished threads: %w", err)
	}
	return nil
}

// comm turns a kernel comm into a string.
func comm(raw [16]uint8) string {
	name, _, _ := bytes.Cut(raw[:], []byte{0})
	return string(name)
}

// comms turns kernel comms into strings, each once: of many objects few have a
// name that no other has.
type comms map[[16]uint8]string

func (c comms) of(raw [16]uint8) string {
	name, known := c[raw]
	if !known {
		name = comm(raw)
		c[raw] = name
	}
	return name
}

// readProcesses lists the traced processes.
func (t *Tracer) readProcesses() (records []ledgerLeakProcessRecord, err error) {
	err = t.iterate(ledgerProgSnapshotProcesses, func(r io.Reader) error {
		return readRecords(r, func(p *ledgerLeakProcessRecord) { records = append(records, *p) })
	})
	return records, err
}

// alive lists, of traced processes, those that were not told to end, by pid.
// Those of which exec has taken the mark along are being replaced.
func (t *Tracer) alive(records []ledgerLeakProcessRecord, remarked map[int]bool) (alive []ProcessActivity) {
	for i := range records {
		p := t.processes[int(records[i].Tgid)]
		// Of a node, what is not known by now has ended since it was listed.
		if records[i].Ending != 0 || t.scopes != nil && (p == nil || p.muted) {
			continue
		}
		a := newProcessActivity(&records[i])
		a.Image = p.image()
		a.Replacing = a.Replacing || remarked[a.PID]
		if t.scopes != nil {
			a.Scope = t.scopes.get(p.scope)
		}
		alive = append(alive, a)
	}
	slices.SortFunc(alive, func(a, b ProcessActivity) int { return cmp.Compare(a.PID, b.PID) })
	return alive
}

// going is the processes, by pid, of whose objects only a part may have been read:
// they have ended meanwhile, or called exec.
type going struct{ ended, replaced map[int]bool }

// newGoing compares the processes that were traced before the objects were read, and
// their images, with those that are alive after that.
func newGoing(traced map[int]uint64, alive []ProcessActivity) going {
	g := going{make(map[int]bool, len(traced)), make(map[int]bool)}
	for pid := range traced {
		g.ended[pid] = true
	}
	for _, p := range alive {
		delete(g.ended, p.PID)
		before := traced[p.PID]
		if p.Replacing || before != 0 && p.Image != 0 && p.Image != before {
			g.replaced[p.PID] = true
		}
	}
	return g
}

// takes tells whether an object goes with a process that can give it back.
func (g going) takes(o *Object, pid int) bool {
	return g.ended[pid] || g.replaced[pid] && o.Kind.EndsByExec()
}

func newProcessActivity(p *ledgerLeakProcessRecord) ProcessActivity {
	did := p.Activity.Count
	return ProcessActivity{
		Process:   Process{PID: int(p.Tgid), Start: p.Start, Comm: comm(p.Comm)},
		Replacing: p.Activity.Replacing != 0,
		Activity: Activity{
			Accepted:  did[ledgerLeakDeedLEAK_ACCEPTED],
			Connected: did[ledgerLeakDeedLEAK_CONNECTED],
			Forked:    did[ledgerLeakDeedLEAK_FORKED],
			Started:   did[ledgerLeakDeedLEAK_STARTED],
		},
	}
}
