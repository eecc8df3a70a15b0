package tracer

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
)

// stackKindMask selects the kind in a stack id (LEAK_KIND_MASK).
const stackKindMask = 7

// Snapshot reads the ledger.
func (t *Tracer) Snapshot() (*Snapshot, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.refresh()
	retired := t.spaces.retired()
	l, err := t.readLedger()
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	for id := range l.created {
		t.note(t.stacks.resolve(id))
	}
	held, unjudged := t.heldThreads(l)
	b := &builder{tracer: t, clock: l.clock, sites: make(map[siteKey]*siteBuilder)}
	b.addTasks(l.tasks)
	b.addSockets(l.sockets)
	b.addThreads(held)
	b.addCounts(l.created)
	out := &Snapshot{Time: l.clock.now, Sites: b.finish(), Tracked: len(l.tasks) + len(l.sockets) + len(held)}
	t.forget(retired, l)
	return out, t.readCounters(out, unjudged)
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

// heldThreads tells finished threads that were never joined from the others,
// which it removes from the kernel's map. It counts those it cannot judge.
func (t *Tracer) heldThreads(l *ledger) (held []finishedThread, unjudged uint64) {
	for _, thread := range l.threads {
		state := joinFreed
		if p := t.processes[int(thread.key.Tgid)]; p != nil && p.space != nil {
			state = joinStateOf(p.pid, thread.key.Tcb, p.space.threadLayout())
		}
		// The block may have got a new thread while it was read.
		var now ledgerLeakTcb
		if err := t.maps.Tcbs.Lookup(thread.key, &now); err != nil || now.Tid != thread.Tid {
			continue
		}
		switch state {
		case joinHeld:
			held = append(held, thread)
		case joinUnknown:
			unjudged++
		case joinFreed:
			if err := t.maps.Tcbs.Delete(thread.key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				t.note(err)
			}
		}
	}
	return held, unjudged
}

// forget frees what belonged to spaces that were retired before the snapshot:
// all that was captured in them has been symbolised now.
func (t *Tracer) forget(retired []*space, l *ledger) {
	for _, s := range retired {
		for id, known := range t.stacks.known {
			if known.space != s.id {
				continue
			}
			t.born[id] = l.created[id]
			if err := t.maps.Sites.Delete(id); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				t.note(err)
			}
		}
		t.note(t.stacks.forget(s))
		t.note(t.spaces.forget(s))
	}
}

// siteKey tells sites apart.
type siteKey struct {
	kind        Kind
	fingerprint string
}

// siteBuilder is a site whose stack is not chosen yet: stacks that differ in
// addresses only are one site, and it shows the one with most outstanding.
type siteBuilder struct {
	Site
	byStack map[uint64]int
}

// builder groups objects and counts by site.
type builder struct {
	tracer *Tracer
	clock  clock
	sites  map[siteKey]*siteBuilder
	// present counts the objects in the ledger, by stack id.
	present map[uint64]uint64
	held    map[uint64]uint64
}

// site returns the site of a stack for one kind.
func (b *builder) site(kind Kind, id uint64) *siteBuilder {
	key := siteKey{kind, b.tracer.stacks.fingerprint(kind, id)}
	s := b.sites[key]
	if s == nil {
		s = &siteBuilder{Site: Site{Kind: kind, Fingerprint: key.fingerprint}, byStack: make(map[uint64]int)}
		b.sites[key] = s
	}
	return s
}

// outstanding adds an object to its site.
func (b *builder) outstanding(id uint64, o Object) {
	if !b.tracer.wants(o.Kind) {
		return
	}
	s := b.site(o.Kind, id)
	s.byStack[id]++
	s.Outstanding = append(s.Outstanding, o)
}

// object fills in what all kinds have.
func (b *builder) object(kind Kind, birth *ledgerLeakBirth, since uint64) Object {
	o := Object{
		Kind:          kind,
		Created:       b.clock.time(birth.Created),
		BeforeTracing: birth.BeforeTracing != 0,
		Owner:         Process{PID: int(birth.CreatorTgid), Start: birth.CreatorStart, Comm: comm(birth.CreatorComm)},
		Since:         b.tracer.started,
	}
	if since != 0 {
		o.Since = b.clock.time(since)
	}
	return o
}

func (b *builder) addTasks(records []ledgerLeakTaskRecord) {
	b.present = make(map[uint64]uint64)
	for i := range records {
		r := &records[i]
		b.present[r.Birth.Stack]++
		switch {
		case r.Kind == ledgerLeakKindLEAK_THREAD:
			o := b.object(Thread, &r.Birth, r.Birth.Created)
			o.ID, o.Name = int(r.Pid), comm(r.Comm)
			b.outstanding(r.Birth.Stack, o)
		case r.Zombie != 0:
			o := b.object(Zombie, &r.Birth, r.Exited)
			o.ID, o.Name = int(r.Pid), comm(r.Comm)
			o.Zombie = zombieInfo(r)
			b.outstanding(r.Birth.Stack, o)
		}
	}
}

// zombieInfo decodes a wait status (wait(2)) and names the parent.
func zombieInfo(r *ledgerLeakTaskRecord) *ZombieInfo {
	info := &ZombieInfo{
		ExitCode: int(r.ExitCode >> 8 & 0xff),
		Signal:   int(r.ExitCode & 0x7f),
		Reaper:   Process{PID: int(r.ParentTgid), Start: r.ParentStart, Comm: comm(r.ParentComm)},
	}
	if info.Signal != 0 {
		info.ExitCode = -1
	}
	return info
}

func (b *builder) addThreads(threads []finishedThread) {
	b.held = make(map[uint64]uint64)
	for i := range threads {
		thread := &threads[i]
		b.held[thread.Birth.Stack]++
		o := b.object(UnjoinedThread, &thread.Birth, thread.Exited)
		o.ID, o.Name = int(thread.Tid), comm(thread.Comm)
		b.outstanding(thread.Birth.Stack, o)
	}
}

func (b *builder) addSockets(records []ledgerLeakSockRecord) {
	seen := make(map[uint64]time.Time)
	for i := range records {
		r := &records[i]
		b.present[r.Birth.Stack]++
		if r.State != tcpCloseWait {
			continue
		}
		o := b.object(CloseWait, &r.Birth, r.CloseWait)
		if r.Birth.Created == 0 || (r.CloseWait == 0 && r.Birth.BeforeTracing == 0) {
			// Never used by its owner, or given to it by another process.
			o.Since = b.firstSeen(r.Inode)
			seen[r.Inode] = o.Since
		}
		if r.Birth.Created == 0 {
			o.Created = o.Since
		}
		o.ID, o.Socket = int(r.Inode), socketInfo(r)
		b.outstanding(r.Birth.Stack, o)
	}
	b.tracer.seen = seen
}

func (b *builder) firstSeen(inode uint64) time.Time {
	if at, ok := b.tracer.seen[inode]; ok {
		return at
	}
	return b.clock.now
}

func socketInfo(r *ledgerLeakSockRecord) *SocketInfo {
	local, remote := addresses(r)
	return &SocketInfo{
		Local: local, Remote: remote,
		Accepted: r.Accepted != 0,
		Unread:   int(r.Unread),
		EOFRead:  r.EofRead != 0,
		Holder:   Process{PID: int(r.HolderTgid), Start: r.HolderStart, Comm: comm(r.HolderComm)},
		FD:       int(r.Fd),
	}
}

// addCounts adds what was created and given back, also where nothing is left.
func (b *builder) addCounts(created map[uint64]uint64) {
	for id, n := range created {
		released := n - min(n, b.present[id])
		switch ledgerLeakKind(id & stackKindMask) {
		case ledgerLeakKindLEAK_CHILD:
			b.count(Zombie, id, n, released)
		case ledgerLeakKindLEAK_SOCKET:
			b.count(CloseWait, id, n, released)
		case ledgerLeakKindLEAK_THREAD:
			b.count(Thread, id, n, released)
			b.count(UnjoinedThread, id, released, released-min(released, b.held[id]))
		}
	}
}

func (b *builder) count(kind Kind, id, created, released uint64) {
	if created == 0 || !b.tracer.wants(kind) {
		return
	}
	s := b.site(kind, id)
	s.byStack[id] += 0 // shows this stack if no object has one
	s.Created += created
	s.Released += released
}

// finish chooses each site's stack and sorts.
func (b *builder) finish() []Site {
	var out []Site
	for _, s := range b.sites {
		var best uint64
		for id, n := range s.byStack {
			if known := s.byStack[best]; best == 0 || n > known || (n == known && id < best) {
				best = id
			}
		}
		s.Stack = b.tracer.stacks.get(best)
		slices.SortFunc(s.Outstanding, func(x, y Object) int {
			return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.ID, y.ID))
		})
		out = append(out, s.Site)
	}
	slices.SortFunc(out, func(x, y Site) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	return out
}

// wants reports whether snapshots show a kind.
func (t *Tracer) wants(kind Kind) bool {
	return len(t.options.Kinds) == 0 || slices.Contains(t.options.Kinds, kind)
}

// losses names the kernel's loss counters for users.
var losses = []struct {
	counter ledgerLeakCounter
	name    string
}{
	{ledgerLeakCounterLEAK_LOST_SLOT, "stacks_no_scratch"},
	{ledgerLeakCounterLEAK_LOST_STACK, "stacks_map_full"},
	{ledgerLeakCounterLEAK_LOST_SITE, "sites_map_full"},
	{ledgerLeakCounterLEAK_LOST_STORAGE, "objects_no_memory"},
	{ledgerLeakCounterLEAK_LOST_TCB, "finished_threads_map_full"},
	{ledgerLeakCounterLEAK_LOST_EVENT, "events_ring_full"},
}

// readCounters adds losses and stack qualities to a snapshot.
func (t *Tracer) readCounters(s *Snapshot, unjudged uint64) error {
	totals := make(map[ledgerLeakCounter]uint64)
	for counter := range ledgerLeakCounterLEAK_COUNTERS {
		var perCPU []uint64
		if err := t.maps.Counters.Lookup(uint32(counter), &perCPU); err != nil {
			return fmt.Errorf("read counters: %w", err)
		}
		for _, n := range perCPU {
			totals[counter] += n
		}
	}
	for _, loss := range losses {
		s.Lost = append(s.Lost, Counter{loss.name, totals[loss.counter]})
	}
	s.Lost = append(s.Lost, Counter{"finished_threads_unjudged", unjudged}, Counter{"processes_unreadable", t.problems})
	s.StackQuality = make(map[Quality]uint64)
	for counter, quality := range qualities {
		s.StackQuality[quality] = totals[counter] + t.rescued[quality]
	}
	return nil
}
