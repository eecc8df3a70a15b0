package tracer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
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
	Scope Scope
	// Image tells what the process executes from what it executed before it called
	// exec; a child begins with its parent's. It is 0 where that is not known.
	Image uint64
	// Replacing says that exec ends the threads of the process at this moment, or has just
	// ended them: those that are left are a part of what it held.
	Replacing bool
	Activity
}

// Snapshot is every site at one instant.
type Snapshot struct {
	Time  time.Time
	Sites []Site
	// Looked is when goroutines were looked at last, zero if never: the sites of that
	// kind are as of then, or where a look at a process fails as of the last one that
	// did not. Where there are many that is not done for each snapshot.
	Looked time.Time
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
	// Sampling is zero as long as the stack of every creation was captured.
	Sampling Sampling
	// Refused is what cgroups were refused since tracing began, and why. It stays
	// empty unless a node is traced.
	Refused []Refusal
	// Maps is how full the kernel's maps are.
	Maps []MapFill
	// Notes says what could not be looked at for another reason than a loss: one line
	// for each process whose goroutines are not read, or not verified as was asked for.
	Notes []string
	// Verified is the processes whose goroutines Tracer.VerifyGoroutines has verified:
	// those with most that are unreachable first, and of those that have ended the last
	// hundred.
	Verified []Verification
	// Corrected counts the processes that no event had told of and that a look at
	// the kernel's list found.
	Corrected uint64
}

// Sampling says how many creations have no stack because a process created more
// than anybody can look at: 50,000 in a second. They are counted at the sites of
// the Group NotSampled, one of each kind; the counts of all other sites are lower
// bounds then, and the sums of all sites are exact as ever.
type Sampling struct {
	// OneIn is how rarely a stack was captured when it was rarest: of one creation
	// in so many, which were picked by chance.
	OneIn uint64
	// LeftOut is how many creations have no stack therefore.
	LeftOut uint64
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
	// No program that begins after the turn captures a stack in these.
	retired := t.retired()
	created, err := t.creations.turn()
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	drained, err := monotonic()
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	// Rescued stacks are nowhere but in the ring.
	if err := t.drain(); err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	out, err := t.take(created, retired, drained)
	if err = errors.Join(err, t.drain()); err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	return out, nil
}

// retired lists the spaces that are out of the kernel.
func (t *Tracer) retired() []*space {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spaces.retired()
}

// take takes a snapshot, of which created is what was created since the last turn.
func (t *Tracer) take(created map[uint64]uint64, retired []*space, drained uint64) (*Snapshot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count(created)
	if err := t.readmit(); err != nil {
		return nil, err
	}
	traced := t.recorded()
	l, err := t.readLedger()
	if err != nil {
		return nil, err
	}
	t.resolve(created, l)
	threads := t.judgeThreads(l)
	records, err := t.readProcesses()
	if err != nil {
		return nil, err
	}
	t.judgeStrangers(&threads, records)
	t.discover(records, drained)
	records, remarked, err := t.refresh(records)
	if err != nil {
		return nil, err
	}
	processes := t.alive(records, remarked)
	t.updateTallies(l, &threads)
	t.readGoroutines(processes, l.taken)
	out := t.build(l, threads.held, records, processes, newGoing(traced, processes))
	return out, t.settleUp(out, l, threads.unjudged+t.neverJudged, retired)
}

// resolve names the stacks of a ledger that were not seen before, while their
// processes live.
func (t *Tracer) resolve(created map[uint64]uint64, l *ledger) {
	for id, pid := range l.makers(t.stacks.unknown(created, l.since)) {
		t.note(t.stacks.resolve(id, pid))
	}
	t.stacks.pruneUses(l.sockets)
	for i := range l.sockets {
		s := &l.sockets[i]
		t.note(t.stacks.resolve(s.UseStack, int(s.HolderTgid)))
	}
}

// build makes a snapshot of what was read.
func (t *Tracer) build(l *ledger, finished []finishedThread, records []ledgerLeakProcessRecord,
	processes []ProcessActivity, going going,
) *Snapshot {
	b := &builder{
		tracer: t, clock: t.clock, now: l.taken,
		inits: make(map[Process]bool), listening: l.listening, going: going,
		sites: make(map[siteKey]*siteBuilder), borrowers: make(map[[2]uint64]int),
		byOrigin: make(map[originKey]*siteBuilder), comms: make(comms),
		seen: make(map[seenKey]time.Time), scopes: t.scopesOf(records),
		infos: make(map[uint64]*SocketInfo, len(t.infos)),
	}
	b.addTasks(l.tasks)
	b.addSockets(l.sockets)
	b.addThreads(finished)
	b.addGoroutines(processes)
	b.addTallies()
	b.addPast()
	out := &Snapshot{
		Time: l.taken, Sites: b.finish(), Looked: t.goroutines.looked, Processes: processes,
		Tracked: len(l.tasks) + len(l.sockets) + len(finished) + t.goroutines.count(),
	}
	t.seen, t.infos = b.seen, b.infos
	return out
}

// settleUp adds to a snapshot what was lost and refused, and frees what nothing in
// it needs.
func (t *Tracer) settleUp(out *Snapshot, l *ledger, unjudged uint64, retired []*space) error {
	totals, err := t.readTotals()
	if err != nil {
		return err
	}
	t.grow(totals[ledgerLeakCounterLEAK_LOST_EVENT] + totals[ledgerLeakCounterLEAK_LOST_SITE])
	t.forget(retired)
	t.files.rest()
	t.sweepScopes()
	there := t.countEntries(l)
	if out.Refused, err = t.settle(there); err != nil {
		return err
	}
	out.Corrected, out.Maps = t.corrected, t.fill(l, there)
	out.Notes, out.Verified = slices.Concat(t.goroutines.notes(), t.unverified()), t.goroutines.verifications(l.taken)
	return t.addCounters(out, totals, l, unjudged)
}

// recorded lists the processes of which something is recorded, and their images.
func (t *Tracer) recorded() map[int]uint64 {
	images := make(map[int]uint64, len(t.processes))
	for pid, p := range t.processes {
		if !p.muted {
			images[pid] = p.image()
		}
	}
	return images
}

// lookEvery bounds how long a change of mappings goes unseen that leaves as much
// executable as before, and that no stack has led to.
const lookEvery = 10 * time.Second

// refresh looks at what no event may have told: mappings that changed and
// processes that ended. To read the mappings of a process takes a millisecond
// where it has many threads: it is done where there may be something new. It
// returns the processes as they are then, and which of them had been missing: exec by
// another thread than the main one takes the mark along.
func (t *Tracer) refresh(records []ledgerLeakProcessRecord) ([]ledgerLeakProcessRecord, map[int]bool, error) {
	every := lookEvery
	if t.scopes != nil {
		every = lookAtNodeEvery
	}
	listed, remarked := footprints(records), make(map[int]bool)
	for pid, p := range t.processes {
		now, ok := listed[pid]
		if ok && now == p.seen && time.Since(p.read) < every {
			continue
		}
		p.seen = now
		identified := p.start != 0
		err := t.sync(p)
		switch {
		case errors.Is(err, os.ErrProcessDone):
			t.ended(pid)
		case !ok && identified && t.remark(p):
			remarked[pid] = true
		}
		t.note(err)
	}
	if len(remarked) == 0 {
		return records, nil, nil
	}
	records, err := t.readProcesses()
	return records, remarked, err
}

func footprints(records []ledgerLeakProcessRecord) map[int]footprint {
	all := make(map[int]footprint, len(records))
	for i := range records {
		r := &records[i]
		all[int(r.Tgid)] = footprint{r.StartStack, r.CodePages}
	}
	return all
}

// remark marks a process that lives on and is not listed, and tells whether it could. The
// mark is that of the leader, which another thread becomes by exec: whose mark it has to have
// then the ledger tells, but only where threads are in it.
func (t *Tracer) remark(p *process) bool {
	err := t.mark(p, p.space)
	if !errors.Is(err, unix.ESRCH) { // it has ended since
		t.note(err)
	}
	return err == nil
}

// ignoreMissing is for deletions that another may have done first.
func ignoreMissing(err error) error {
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil
	}
	return err
}

// forget frees what belonged to spaces that were retired before the snapshot:
// all that was captured in them has been symbolised and counted now.
func (t *Tracer) forget(retired []*space) {
	if len(retired) > 0 {
		t.note(t.stacks.forget(retired))
	}
	for _, s := range retired {
		t.note(t.spaces.forget(s))
	}
	t.stacks.forgetPerfMaps(t.processes)
}
