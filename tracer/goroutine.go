package tracer

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

const (
	// goroutineShare bounds what reading goroutines costs, however many there are: one
	// part in so many of a processor. As much again is for what is made of it.
	goroutineShare = 200
	// goroutinePause bounds the pause after the first looks at a process, in which all
	// stacks are read: they cost more than all others.
	goroutinePause = 10 * time.Second
	// firstLooks is how many those are.
	firstLooks = 2
	// maxGoroutines is how many are followed where one process is traced. Of a node it
	// is maxNodeGoroutines of all processes, and maxEachGoroutines of each.
	maxGoroutines     = 1 << 20
	maxNodeGoroutines = 1 << 18
	maxEachGoroutines = 1 << 16
	// maxGoSites is how many places those of a process come from, and wait at.
	maxGoSites = 1 << 12
)

// goroutines reads the goroutines of the traced processes that are Go programs.
type goroutines struct {
	byProcess map[processKey]*goProcess
	room      *goroutine.Room
	looked    time.Time // when the last look was
	due       time.Time // for the next one
	omitted   uint64    // most goroutines that were too many in one look
	verified  verifications
}

func newGoroutines() *goroutines {
	return &goroutines{byProcess: make(map[processKey]*goProcess), room: goroutine.NewRoom()}
}

// count is how many are known.
func (g *goroutines) count() (n int) {
	for _, p := range g.byProcess {
		n += len(p.known)
	}
	return n
}

// mostFailures is how often a runtime is looked for that is not as it should be: one that
// has begun a moment ago may not be yet.
const mostFailures = 3

// maxNotes is how many processes are named that are not understood.
const maxNotes = 5

// notes says whose goroutines are not read, and why.
func (g *goroutines) notes() (notes []string) {
	for _, p := range g.byProcess {
		if p.err != nil {
			notes = append(notes, p.err.Error())
		}
	}
	slices.Sort(notes)
	return notes[:min(len(notes), maxNotes)]
}

// goProcess is the goroutines of one image of a process.
type goProcess struct {
	startStack uint64
	young      bool               // the process is not older than tracing, or not its image
	runtime    *goroutine.Runtime // nil while it is not found
	err        error              // why it never will be
	failures   int                // to find the runtime
	looks      uint32
	known      map[uint64]*goWait // by goroutine
	looked     time.Time          // when the last look was
	starts     map[goStart]*goSite
	stacks     map[string]*goStack // by addresses
	sites      []*goSite
	omitted    int
	// process is who they are of, and verification what of them nothing leads to.
	process      Process
	verification verification
}

// goWait is a goroutine that is alive, and what of it tells whether it has run since
// the last look: as little as will do, for there may be a million.
type goWait struct {
	pc          uint64
	site        *goSite // nil as long as it has not been seen so twice
	look        uint32
	status      uint8
	reason, seq uint8
	before      bool // it is older than tracing
}

// note takes over what a goroutine does now.
func (w *goWait) note(g *goroutine.Goroutine) {
	w.pc, w.status, w.reason, w.seq = g.PC, uint8(g.Status), g.Reason, g.Seq
}

// same tells whether a goroutine is in the same wait as before.
func (w *goWait) same(g *goroutine.Goroutine) bool {
	before := goroutine.Goroutine{ID: g.ID, PC: w.pc, Status: goroutine.Status(w.status), Reason: w.reason, Seq: w.seq}
	return g.Waits(&before)
}

// readGoroutines looks at the goroutines of all processes, if it is time to.
func (t *Tracer) readGoroutines(processes []ProcessActivity, now time.Time) {
	if !t.wants(Goroutine) {
		return
	}
	alive := make(map[processKey]bool, len(processes))
	for i := range processes {
		alive[processKey{processes[i].PID, processes[i].Start}] = true
	}
	for key, p := range t.goroutines.byProcess {
		if !alive[key] {
			t.endVerification(p, now)
			delete(t.goroutines.byProcess, key)
		}
	}
	if !now.Before(t.goroutines.due) {
		t.lookAtAll(processes, now)
	}
}

// lookAtAll looks at the goroutines of all processes, and says when to do so again.
func (t *Tracer) lookAtAll(processes []ProcessActivity, now time.Time) {
	var first, others time.Duration
	omitted := 0
	for i := range processes {
		owner := processes[i].Process
		p := t.goProcess(processKey{owner.PID, owner.Start})
		if p == nil || p.err != nil {
			continue
		}
		began, to := ownTime(), &others
		if p.looks < firstLooks {
			to = &first
		}
		t.look(owner, p, now)
		*to += ownTime() - began
		omitted += p.omitted
	}
	g := t.goroutines
	g.omitted = max(g.omitted, uint64(omitted))
	g.looked, g.due = now, now.Add(goroutineRest(first, others))
}

// goroutineRest is how long not to look, after looks that took so much processor time:
// first ones, and others.
func goroutineRest(first, others time.Duration) time.Duration {
	return max(goroutineShare*others, min(goroutineShare*first, goroutinePause))
}

// ownTime is the processor time that this process has used.
func ownTime() time.Duration {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // cannot fail for RUSAGE_SELF
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// LookAtGoroutines has the next snapshot look at goroutines, however short ago that
// was: it is the last of a run.
func (t *Tracer) LookAtGoroutines() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.goroutines.due = time.Time{}
}

// goProcess returns what is known of a Go program that runs, nil for another.
func (t *Tracer) goProcess(key processKey) *goProcess {
	owner := t.processes[key.pid]
	if owner == nil || owner.space == nil {
		return nil
	}
	p := t.goroutines.byProcess[key]
	golang := owner.space.golang() != nil
	if p != nil && (!golang || p.startStack != owner.space.startStack) {
		t.replaced(key, p)
	}
	if !golang {
		return nil
	}
	if p == nil || p.startStack != owner.space.startStack {
		p = &goProcess{
			process:    Process{PID: key.pid, Comm: owner.comm, Start: key.start},
			startStack: owner.space.startStack,
			young:      p != nil || owner.ours || t.clock.time(key.start).After(t.started), known: make(map[uint64]*goWait),
			starts: make(map[goStart]*goSite), stacks: make(map[string]*goStack),
		}
		t.goroutines.byProcess[key] = p
	}
	return p
}

// processMemory is the memory of a process, as package goroutine wants it.
type processMemory struct {
	memory *memory
	pid    int
}

// Read implements goroutine.Memory.
func (m processMemory) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	return m.memory.read(m.pid, m.pid, p, pieces...)
}

// open finds the runtime of a process. One that has just begun has none yet.
func (t *Tracer) open(pid int, memory goroutine.Memory, room *goroutine.Room) (*goroutine.Runtime, error) {
	code := t.processes[pid].space.golang()
	table, version := code.file.symbols.Go()
	if table == nil {
		return nil, errors.New("its table of functions cannot be read")
	}
	program := goroutine.Program{Table: table, Version: version, Bias: code.bias}
	return goroutine.Open(program, memory, room)
}

// look reads the goroutines of a process once.
func (t *Tracer) look(owner Process, p *goProcess, now time.Time) {
	pid := owner.PID
	if p.runtime == nil {
		var err error
		p.runtime, err = t.open(pid, processMemory{t.memory, pid}, t.goroutines.room)
		if err != nil && !errors.Is(err, goroutine.ErrEarly) {
			p.failures++
		}
		if p.failures == mostFailures {
			p.err = fmt.Errorf("goroutines of %s are not read: %w", t.name(pid), err)
		}
		if err != nil {
			return
		}
	}
	l := goLook{tracer: t, goProcess: p, space: t.processes[pid].space, owner: owner, most: maxGoroutines}
	if t.scopes != nil {
		others := t.goroutines.count() - len(p.known)
		l.most = min(maxEachGoroutines, maxNodeGoroutines-others)
	}
	p.looks++
	omitted, err := p.runtime.Scan(l.wants, l.see)
	p.omitted, p.looked = omitted+l.left, now
	if err != nil {
		p.runtime = nil // it has just ended, or is found better next time
		return
	}
	l.sweep()
	for _, s := range p.sites {
		s.settle()
	}
}

// name is a process as notes name it.
func (t *Tracer) name(pid int) string {
	comm := "a process"
	if p := t.processes[pid]; p != nil {
		comm = p.comm
	}
	return fmt.Sprintf("%s (pid %d)", comm, pid)
}

// goLook is one look at the goroutines of a process.
type goLook struct {
	*goProcess
	tracer *Tracer
	space  *space
	owner  Process
	most   int // how many may be known
	left   int // how many new ones there was no room for
}

// wants tells whether a goroutine's stack is to be read: it has not run since the
// last look, and it is not known yet where it waits.
func (l *goLook) wants(g *goroutine.Goroutine) bool {
	known := l.known[g.ID]
	return known != nil && known.site == nil && known.same(g) && l.counts(g)
}

// see takes over what a goroutine does now.
func (l *goLook) see(g *goroutine.Goroutine, stack []uint64) {
	known := l.known[g.ID]
	if known == nil {
		if len(l.known) >= l.most {
			l.left++
			return
		}
		known = &goWait{before: l.looks == 1 && !l.young, look: l.looks}
		known.note(g)
		l.known[g.ID] = known
		return
	}
	known.look = l.looks
	switch {
	case !known.same(g):
		known.leave(g.ID)
		known.note(g)
	case stack != nil:
		l.enter(known, g, stack)
	}
}

// leave notes that a goroutine has gone on, or ended.
func (w *goWait) leave(id uint64) {
	if w.site != nil {
		w.site.leave(id)
	}
	w.site = nil
}

// sweep forgets the goroutines that have ended.
func (l *goLook) sweep() {
	for id, known := range l.known {
		if known.look != l.looks {
			known.leave(id)
			delete(l.known, id)
		}
	}
}

// counts tells whether a goroutine that waits is of interest: the first one ends with
// the program, the runtime's own are none of the program's, and one that sleeps wakes.
func (l *goLook) counts(g *goroutine.Goroutine) bool {
	return g.ID != 1 && l.runtime.Reason(g.Reason) != "sleep" && !l.start(g).system
}

// waitsForever tells the reasons to wait that nothing ends.
func waitsForever(g *goroutine.Goroutine, reason string) bool {
	return g.Status == goroutine.Leaked || strings.Contains(reason, "nil chan") || reason == "select (no cases)"
}
