package tracer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"
)

// Options says what to trace. The zero value traces one process and all kinds.
type Options struct {
	// Follow traces the target's descendants too.
	Follow bool
	// Kinds limits snapshots to some kinds, and leaves out hooks that serve
	// no other. Empty means all.
	Kinds []Kind
	// VerifyGoroutines is for those who call Tracer.VerifyGoroutines: snapshots then
	// say of which processes the goroutines are verified, and of which they are not.
	VerifyGoroutines bool
	// Tuning is for tests.
	Tuning Tuning
}

// Tracer traces one process, and with Options.Follow its descendants, or all
// processes of the machine. Its methods may be called from several goroutines.
// Close must be called.
type Tracer struct {
	options    Options
	collection *ebpf.Collection
	twins      *ebpf.Collection // nil where no hook needs one
	maps       ledgerMaps
	variables  ledgerVariables
	links      []link.Link
	iterators  map[string]*link.Iter
	events     *ringbuf.Reader
	watched    chan struct{} // closed when the event goroutine has ended
	drained    chan struct{} // receives when it has handled what drain asked for
	snapshots  sync.Mutex    // held by a snapshot: they are taken one by one
	creations  *creations    // used by snapshots alone
	skips      skips         // used by snapshots alone
	verifier   *verifier     // used by VerifyGoroutines alone, nil unless that is asked for
	clock      clock

	mu         sync.Mutex // guards all below
	files      *files
	spaces     *spaces
	scopes     *scopes // nil unless a node is traced
	stacks     *stacks
	memory     *memory
	goroutines *goroutines
	processes  map[int]*process
	target     *process
	started    time.Time
	exited     chan struct{} // closed when the target has ended
	// tallies counts what each stack created, by id, and past what those did that
	// are forgotten. age counts how often the stacks were made older, and aged is
	// when that was last.
	tallies map[uint64]*tally
	past    past
	age     uint32
	aged    time.Time
	// swept is what was lost when the kernel's stacks were looked through last.
	swept uint64
	// seen is when objects without a known birth were first seen.
	seen map[seenKey]time.Time
	// held is the finished threads that the last snapshot has as not joined.
	held map[ledgerLeakTcbKey]heldThread
	// doubts is the finished threads of which it could not tell, and neverJudged how many
	// went with their process, or its image, before anybody could.
	doubts      map[ledgerLeakTcbKey]heldThread
	neverJudged uint64
	// infos is what the last snapshot has of sockets, by socket.id.
	infos map[uint64]*SocketInfo
	// sockets and tasks are how many the last snapshot has seen, of whomever, and
	// sizes how many were outstanding at each site: the next has as much room.
	sockets, tasks int
	sizes          map[siteKey]int
	// rescued counts the stacks that Go walked, by outcome.
	rescued map[Quality]uint64
	// corrected counts processes that no event had told of.
	corrected uint64
	// problems counts processes whose mappings could not be read, and the like.
	problems uint64
}

// New loads the programs and attaches them. They do nothing until Trace, Start or
// TraceNode says what to trace. It needs CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and
// CAP_DAC_READ_SEARCH, or root, and a kernel with BTF (5.15 or later).
func New(options Options) (*Tracer, error) {
	if err := errors.Join(CheckNamespace(), checkCapabilities(options.Tuning)); err != nil {
		return nil, err
	}
	t := &Tracer{
		options:    options,
		iterators:  make(map[string]*link.Iter),
		memory:     newMemory(),
		goroutines: newGoroutines(),
		processes:  make(map[int]*process),
		exited:     make(chan struct{}),
		drained:    make(chan struct{}),
		tallies:    make(map[uint64]*tally),
		sizes:      make(map[siteKey]int),
		past:       make(past),
		seen:       make(map[seenKey]time.Time),
		rescued:    make(map[Quality]uint64),
	}
	if options.VerifyGoroutines {
		t.verifier = newVerifier()
	}
	var err error
	if t.clock, err = startClock(); err != nil {
		return nil, err
	}
	if err := t.load(); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	t.files = &files{tables: newTables(t.maps.Rows, t.maps.Rules), byKey: make(map[fileKey]*file)}
	t.spaces = newSpaces(t.maps.Spaces, t.maps.Mappings, t.files)
	t.stacks = newStacks(t.maps.Stacks, t.maps.Uses, t.spaces)
	t.creations = newCreations(&t.maps)
	t.watched = make(chan struct{})
	go t.watch()
	return t, nil
}

// Trace begins to trace a running process. What it created before is in the
// snapshots too, marked so. It returns when every later creation is seen with
// its stack.
func (t *Tracer) Trace(pid int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := openProcess(pid)
	if err != nil {
		return err
	}
	t.target, t.started = p, time.Now()
	if err := t.begin(p); err != nil {
		return err
	}
	if t.options.Follow {
		t.beginDescendants(pid)
	}
	return t.markOld()
}

// mostPasses bounds how often descendants are listed. Three will do, but for those
// that fork faster than they can be marked.
const mostPasses = 50

// beginDescendants marks those a process has already. It takes a while to read the
// files of one, and what that forks meanwhile is not marked; so they are listed until
// there is none that is not. A list may lack some of whose parents one has just ended,
// and is never taken as the only one.
func (t *Tracer) beginDescendants(pid int) {
	begun := make(map[int]bool)
	for pass := range mostPasses {
		if found := t.beginUnmarked(descendants(pid), begun); !found && pass > 0 {
			return
		}
	}
	t.problems++
}

// beginUnmarked marks the processes that are neither marked nor begun, and tells
// whether there were any. Those that a marked one has forked the kernel has marked.
func (t *Tracer) beginUnmarked(pids []int, begun map[int]bool) (found bool) {
	for _, pid := range pids {
		if begun[pid] || t.marked(pid) {
			continue
		}
		// A child that has ended meanwhile is a zombie of a traced process.
		child, err := openProcess(pid)
		if err != nil {
			continue
		}
		err = t.begin(child)
		t.note(err)
		// No event would tell that one not marked has a new image.
		begun[pid] = !errors.Is(err, errNewImage)
		found = true
	}
	return found
}

// begin marks a process as traced, its unwind tables first.
func (t *Tracer) begin(p *process) error {
	t.processes[p.pid] = p
	if err := t.sync(p); err != nil {
		delete(t.processes, p.pid)
		return explainRead(fmt.Sprintf("trace process %d", p.pid), err)
	}
	return nil
}

// Target is the traced process. Its Start is not known here and left 0.
func (t *Tracer) Target() Process {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.target == nil {
		return Process{}
	}
	return Process{PID: t.target.pid, Comm: t.target.comm}
}

// Exited is closed when the target has ended.
func (t *Tracer) Exited() <-chan struct{} { return t.exited }

// note counts a failure that the snapshot shows. The kernel's ledger stays
// right; what suffers is a stack or a name. That a process ended is none, nor
// that it got a new image again: the event for that one follows.
func (t *Tracer) note(err error) {
	if err != nil && !errors.Is(err, os.ErrProcessDone) && !errors.Is(err, errNewImage) {
		t.problems++
	}
}

// Close detaches everything and frees it. It may be called more than once.
func (t *Tracer) Close() error {
	var errs []error
	for _, l := range t.links {
		errs = append(errs, l.Close())
	}
	t.links = nil
	if t.events != nil {
		errs = append(errs, t.events.Close())
	}
	if t.watched != nil {
		<-t.watched
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files != nil {
		for _, f := range t.files.byKey {
			errs = append(errs, f.symbols.Close())
		}
		t.files.byKey = nil
	}
	if t.memory != nil {
		t.memory.close()
		t.memory = nil
	}
	if t.verifier != nil {
		t.verifier.close()
		t.verifier = nil
	}
	errs = append(errs, t.maps.Close())
	if t.twins != nil {
		t.twins.Close()
		t.twins = nil
	}
	if t.collection != nil {
		t.collection.Close()
		// Variables keep the map they lie in until they are collected.
		t.variables, t.collection = ledgerVariables{}, nil
	}
	return errors.Join(errs...)
}

// iterate runs an iterator over the kernel's lists and gives its output to read.
func (t *Tracer) iterate(program string, read func(io.Reader) error) error {
	iterator := t.iterators[program]
	if iterator == nil {
		return nil // left out: no kind needs it
	}
	output, err := iterator.Open()
	if err != nil {
		return fmt.Errorf("run iterator %s: %w", program, err)
	}
	defer output.Close()
	if read == nil {
		_, err = io.Copy(io.Discard, output)
	} else {
		err = read(output)
	}
	if err != nil {
		return fmt.Errorf("read iterator %s: %w", program, err)
	}
	return nil
}

// hostPIDNamespace is the inode number of the first pid namespace
// (PROC_PID_INIT_INO in the kernel).
const hostPIDNamespace = 0xEFFFFFFC

// CheckNamespace refuses a pid namespace where pids are not the kernel's own.
func CheckNamespace() error {
	var stat unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &stat); err != nil {
		return fmt.Errorf("look at own pid namespace: %w (is /proc mounted?)", err)
	}
	if stat.Ino != hostPIDNamespace {
		return errors.New("not in the host's pid namespace: run on the host, or with --pid=host (Docker, podman) or hostPID: true (Kubernetes)")
	}
	return nil
}
