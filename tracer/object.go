package tracer

import (
	"iter"
	"net/netip"
	"strings"
	"time"
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
	// Goroutine is a goroutine that waits, and has not run for a while.
	Goroutine Kind = "goroutine"
)

// Kinds lists every kind in the order reports show them.
func Kinds() []Kind { return []Kind{Zombie, Thread, UnjoinedThread, CloseWait, Goroutine} }

// Live tells the kinds whose objects may live for as long as their process: how long
// they have says nothing.
func (k Kind) Live() bool { return k == Thread || k == Goroutine }

// EndsByExec tells the kinds whose objects an exec of their process ends, for they lie in
// its memory. A child stays, and a socket does unless it is close-on-exec.
func (k Kind) EndsByExec() bool { return k == Thread || k == UnjoinedThread || k == Goroutine }

// KindNames names every kind in a sentence.
func KindNames() string {
	var names []string
	for _, kind := range Kinds() {
		names = append(names, string(kind))
	}
	return strings.Join(names, ", ")
}

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

// Object is one resource at the instant of a snapshot.
type Object struct {
	Kind Kind
	// Created is when the object came to be, Since when it became outstanding
	// (the child's exit, the thread's exit, the peer's FIN; Created for a live
	// thread; when a goroutine was seen first to wait as it does). Where Since is
	// not known it is the time tracing began.
	Created, Since time.Time
	// BeforeTracing marks objects that existed when tracing began.
	BeforeTracing bool
	// Owner is the process that created the object: for a zombie the one
	// that forked it. Its PID is 0 when that is not known.
	Owner Process
	// ID is the pid of a child, the tid of a thread, the inode of a socket, the
	// number of a goroutine.
	ID int
	// Name is the comm of a child or thread, the function a goroutine began at.
	Name string
	// Zombie, Socket, Goroutine: what only that kind has; nil for the others.
	Zombie    *ZombieInfo
	Socket    *SocketInfo
	Goroutine *GoroutineInfo
}

// Responsible is the processes that can give the object back: the reaper of a
// zombie, every holder of a socket, the process a thread belongs to. It makes no
// list of them: of 100,000 objects that takes longer than all that is done with it.
func (o *Object) Responsible() iter.Seq[Process] {
	return func(yield func(Process) bool) {
		switch {
		case o.Zombie != nil:
			yield(o.Zombie.Reaper)
		case o.Socket == nil:
			yield(o.Owner)
		default:
			_ = each(o.Socket.Holders, yield) && each(o.Socket.Listeners, yield)
		}
	}
}

// each gives processes to yield until it wants no more.
func each(holders []Holder, yield func(Process) bool) bool {
	for i := range holders {
		if !yield(holders[i].Process) {
			return false
		}
	}
	return true
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

// GoroutineInfo is what is known of a goroutine that waits. It does not change.
type GoroutineInfo struct {
	// Parent is the number of the goroutine that started it.
	Parent int
	// Reason is why it waits, in the words of its own runtime ("chan receive").
	Reason string
	// Forever tells that nothing can wake it: it waits for a nil channel, in a
	// select without cases, or its own runtime has found that it leaks.
	Forever bool
	// IO tells that it waits for a descriptor or is in a system call: it may be an
	// open connection.
	IO bool
	// Unreachable is in how many scans of the process's memory, the last ones, nothing
	// led to what the goroutine waits for. It is 0 where something did, and where
	// Tracer.VerifyGoroutines was not called since it began to wait.
	Unreachable int
	// Parked is where it waits, the same for all that wait there.
	Parked *Stack
}

// SocketInfo is what is known of a TCP socket. It does not change: of a socket of
// which nothing new is known the next snapshot has the same one.
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
	// Creation and LastUse are the stacks where the socket was created (or
	// accepted, or where accept cannot be seen first used) and last read or
	// written. Of a socket in constant use the latter may be that of a use a
	// moment before, by the other of a reader and a writer. Either may be without
	// frames, or nil.
	Creation, LastUse *Stack

	served bool // as far as is known: this end accepted it
}

// Holder is a descriptor of a process.
type Holder struct {
	Process
	FD int
}
