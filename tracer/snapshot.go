package tracer

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cilium/ebpf"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// Kind is a resource that must be given back.
type Kind string

// The kinds, named by the state in which an object of the kind is outstanding.
const (
	// Zombie is a child process that ended and was not reaped.
	Zombie Kind = "zombie"
	// Thread is a thread that is still alive.
	Thread Kind = "thread"
	// UnjoinedThread is a thread that ended while joinable and whose stack
	// and control block are still held.
	UnjoinedThread Kind = "unjoined-thread"
	// CloseWait is a TCP socket whose peer closed and whose owner did not.
	CloseWait Kind = "close-wait"
)

// Kinds lists every kind in the order reports show them.
func Kinds() []Kind { return []Kind{Zombie, Thread, UnjoinedThread, CloseWait} }

// KindNames names every kind in a sentence.
func KindNames() string {
	var names []string
	for _, kind := range Kinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

// Quality says how far a stack can be trusted.
type Quality string

// The qualities, from best to worst.
const (
	// Complete stacks reached the root by unwind tables alone.
	Complete Quality = "complete"
	// FPUsed stacks reached the root, but at least one frame without unwind
	// tables (JIT code, hand-written assembly) was crossed by frame pointer.
	FPUsed Quality = "fp-used"
	// Truncated stacks end before the root.
	Truncated Quality = "truncated"
	// NoMapping stacks end at an address no known mapping covers.
	NoMapping Quality = "no-mapping"
	// NoStack marks objects whose creation was not seen or not captured.
	NoStack Quality = "no-stack"
)

// Process names a process beyond the reuse of its pid.
type Process struct {
	// PID is the tgid in the tracer's pid namespace.
	PID int
	// Start is the process's start time in nanoseconds of CLOCK_MONOTONIC,
	// or 0 when it ended before it could be looked at.
	Start uint64
	// Comm is the kernel's 16-byte name, unescaped.
	Comm string
}

// Stack is a symbolised user stack.
type Stack struct {
	// Frames is leaf first: the system call wrapper, then its callers.
	Frames []symbol.Frame
	// Site indexes the frame a user would fix: the first one that belongs to
	// the application. It is -1 when Frames is empty.
	Site int
	// Quality says how the frames were found.
	Quality Quality
}

// Object is one resource at the instant of a snapshot.
type Object struct {
	Kind Kind
	// Created is when the object came to be, Since when it became outstanding
	// (the child's exit, the thread's exit, the peer's FIN; Created for a live
	// thread). Where Since is not known it is the time tracing began.
	Created, Since time.Time
	// BeforeTracing marks objects that existed when tracing began.
	BeforeTracing bool
	// Owner is the process that created the object: for a zombie the one
	// that forked it. Its PID is 0 when that is not known.
	Owner Process
	// ID is the pid of a child, the tid of a thread, the inode of a socket.
	ID int
	// Name is the comm of a child or thread.
	Name string
	// Zombie, Socket: what only that kind has; nil for the others.
	Zombie *ZombieInfo
	Socket *SocketInfo
}

// Responsible is the processes that can give the object back: the reaper of a
// zombie, every holder of a socket, the process a thread belongs to.
func (o Object) Responsible() []Process {
	switch {
	case o.Zombie != nil:
		return []Process{o.Zombie.Reaper}
	case o.Socket == nil:
		return []Process{o.Owner}
	}
	var out []Process
	for _, h := range slices.Concat(o.Socket.Holders, o.Socket.Listeners) {
		out = append(out, h.Process)
	}
	return out
}

// ZombieInfo is what is known of a child that ended and was not reaped.
type ZombieInfo struct {
	// ExitCode is the status passed to exit, -1 when a signal ended it.
	ExitCode int
	// Signal is the number of the signal that ended it, or 0.
	Signal int
	// Reaper is the process that must reap it now: its current parent.
	Reaper Process
	// ReaperIsInit says that the reaper is pid 1 of its pid namespace, which
	// inherits the orphans of all others there.
	ReaperIsInit bool
}

// SocketInfo is what is known of a TCP socket.
type SocketInfo struct {
	Local, Remote netip.AddrPort
	// Accepted tells an accepted connection from one made by connect. It is
	// meaningful only when the socket has a creation stack.
	Accepted bool
	// Unread is how many bytes wait in the receive queue.
	Unread int
	// EOFRead says that the application's reads have passed the peer's FIN.
	EOFRead bool
	// Holders is every descriptor that keeps the socket open, of whatever
	// process; each one would have to be closed. It is empty for a connection
	// that nobody has accepted.
	Holders []Holder
	// Listeners is, for a connection that nobody has accepted, who holds the
	// socket in whose queue it waits; nil for all others.
	Listeners []Holder
	// Peer is who holds the other end of the connection, when that is on this
	// host and still open; nil otherwise.
	Peer *Holder
	// LastUsed is the last read or write that was seen, zero if none was.
	LastUsed time.Time
	// Creation and LastUse are the stacks where the socket was created (or, if
	// accepted, first used) and last read or written. The latter may be
	// up to 10 ms older than LastUsed. Either may be without frames.
	Creation, LastUse Stack

	group string // see socketGroup
}

// Holder is a descriptor of a process.
type Holder struct {
	Process
	FD int
}

// Site is all that one creation stack created of one kind.
type Site struct {
	Kind Kind
	// Fingerprint is stable across restarts, rebuilds and moves of code: it
	// is made of kind, module names and application function names.
	Fingerprint string
	// Stack is where the objects were created; its Quality is NoStack and its
	// Frames are empty for objects whose creation was not seen.
	Stack Stack
	// Role says what Stack shows of the objects.
	Role Role
	// Group is what the objects of a site without a stack have in common: their
	// name, with N for numbers in it, or the service they are connected to.
	Group string
	// SeenAgain is, where the objects are older than tracing, the fingerprint of
	// a site that has created the same sort of objects since; else empty.
	SeenAgain string
	// Created and Released count objects since tracing began: children forked
	// and reaped; threads started and ended; threads ended and joined or
	// detached; sockets opened and closed.
	Created, Released uint64
	// Outstanding is every object in the state the kind is named for, oldest
	// first.
	Outstanding []Object
}

// Role is what a site's stack did with the objects of the site.
type Role string

// The roles. The zero value is for sites without a stack.
const (
	// Created is where the objects were created.
	Created Role = "created"
	// FirstUsed is where accepted sockets were first read or written: accept
	// itself cannot be seen.
	FirstUsed Role = "first-used"
	// LastUsed is where sockets were last read or written, and by another path
	// than created them: they come from a pool, and the one who has to give
	// them back is the last borrower.
	LastUsed Role = "last-used"
)

// Activity counts what a process has done while it was traced.
type Activity struct {
	// Accepted counts accepted connections, at their first use.
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
	t.refresh()
	retired := t.spaces.retired()
	l, err := t.readLedger()
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	for id := range l.after {
		t.note(t.stacks.resolve(id))
	}
	for i := range l.sockets {
		t.note(t.stacks.resolve(l.sockets[i].UseStack))
	}
	threads := t.judgeThreads(l)
	processes, ending, err := t.readProcesses()
	if err != nil {
		return nil, fmt.Errorf("take snapshot: %w", err)
	}
	t.updateTallies(l, threads.unjoined)
	t.dropRescued(l)
	b := &builder{
		tracer: t, clock: t.clock, now: l.taken,
		inits: make(map[Process]bool), listening: l.listening, ending: ending,
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
