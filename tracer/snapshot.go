package tracer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
)

// Activity counts what a process has done while it was traced.
type Activity struct {
	// Accepted counts accepted connections, where accept cannot be seen at
	// their first use.
	Accepted uint64
	// Connected counts calls of connect, Forked children, Started threads.
	Connected, Forked, Started uint64
}

// ProcessActivity is a traced process and what it has done.
type ProcessActivity struct {
	Process
	Activity
}

// Snapshot is every site at one instant.
type Snapshot struct {
	Time  time.Time
	Sites []Site
	// Processes is every traced process that is alive and was not told to end,
	// by pid. What others hold is left out: it is going.
	Processes []ProcessActivity
	// Tracked is how many objects are alive in scope, in whatever state.
	Tracked int
	// Lost counts what the tracer could not see or keep, by cause. A cause
	// that never happened is present with 0.
	Lost []Counter
	// StackQuality counts captured stacks since tracing began.
	StackQuality map[Quality]uint64
}

// Counter is a named count.
type Counter struct {
	Name  string
	Count uint64
}

// Snapshot reads the ledger. Two snapshots are never taken at the same time. If
// the target ended while this one was taken, Exited is closed when it returns.
func (t *Tracer) Snapshot() (*Snapshot, error) {
	t.snapshots.Lock()
	defer t.snapshots.Unlock()
	// Rescued stacks are nowhere but in the ring.
	if err := t.drain(); err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	out, err := t.take()
	return out, errors.Join(err, t.drain())
}

func (t *Tracer) take() (*Snapshot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// What was captured in these before is symbolised below, or was before.
	retired := t.spaces.retired()
	t.refresh()
	traced := slices.Collect(maps.Keys(t.processes))
	l, err := t.readLedger()
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	for id := range l.after {
		t.note(t.stacks.resolve(id))
	}
	t.stacks.pruneUses(l.sockets)
	for i := range l.sockets {
		t.note(t.stacks.resolve(l.sockets[i].UseStack))
	}
	threads := t.judgeThreads(l)
	processes, err := t.readProcesses()
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	t.updateTallies(l, threads.unjoined)
	t.dropRescued(l)
	b := &builder{
		tracer: t, clock: t.clock, now: l.taken,
		inits: make(map[Process]bool), listening: l.listening, going: going(traced, processes),
		sites: make(map[siteKey]*siteBuilder),
		seen:  make(map[seenKey]time.Time),
	}
	b.addTasks(l.tasks)
	b.addSockets(l.sockets)
	b.addThreads(threads.held)
	b.addTallies()
	out := &Snapshot{
		Time: l.taken, Sites: b.finish(), Processes: processes,
		Tracked: len(l.tasks) + len(l.sockets) + len(threads.held),
	}
	t.seen = b.seen
	t.forget(retired)
	return out, t.readCounters(out, l, threads.unjudged)
}

// refresh looks at what no event may have told: mappings that changed and
// processes that ended.
func (t *Tracer) refresh() {
	for pid, p := range t.processes {
		err := t.sync(p)
		if errors.Is(err, os.ErrProcessDone) {
			t.ended(pid)
		}
		t.note(err)
	}
}

// ignoreMissing is for deletions that another may have done first.
func ignoreMissing(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// dropRescued frees the counts of rescued stacks, of which each has an id of its
// own and never creates a second object.
func (t *Tracer) dropRescued(l *ledger) {
	for id := range l.after {
		if id&stackRescued != 0 {
			t.dropCount(id)
		}
	}
}

// dropCount deletes the kernel's count of a stack that creates no more.
func (t *Tracer) dropCount(id uint64) {
	if tally := t.tallies[id]; tally != nil {
		tally.dropped = tally.created
	}
	t.note(ignoreMissing(t.maps.Sites.Delete(id)))
}

// forget frees what belonged to spaces that were retired before the snapshot:
// all that was captured in them has been symbolised and counted now.
func (t *Tracer) forget(retired []*space) {
	for _, s := range retired {
		for id, known := range t.stacks.known {
			if known.space == s.id {
				t.dropCount(id)
			}
		}
		t.note(t.stacks.forget(s))
		t.note(t.spaces.forget(s))
	}
}
