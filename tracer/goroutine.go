package tracer

import (
	"fmt"
	"slices"
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
	unread    []string // why processes that have ended were not read, of the last maxNotes
}

func newGoroutines() *goroutines {
	return &goroutines{byProcess: make(map[processKey]*goProcess), room: goroutine.NewRoom()}
}

// count is how many are known, or were once.
func (g *goroutines) count() (n int) {
	for _, p := range g.byProcess {
		if n += len(p.known); p.over {
			n += p.waiting()
		}
	}
	return n
}

const (
	// mostFailures is how many looks at a process may fail in a row until there are no
	// more. Those do not count that wait for memory in vain, which may come yet.
	mostFailures = 3
	// earlyPatience is how long a program may take to have a runtime.
	earlyPatience = time.Minute
)

// maxNotes is how many processes are named that are not understood.
const maxNotes = 5

// notes says whose goroutines are not read, or were not when it ended, and why.
// Those of processes that live come first.
func (g *goroutines) notes() (notes []string) {
	for _, p := range g.byProcess {
		if p.err != nil {
			notes = append(notes, p.err.Error())
		}
	}
	slices.Sort(notes)
	notes = append(notes, g.unread...)
	return notes[:min(len(notes), maxNotes)]
}

// goProcess is the goroutines of one image of a process.
type goProcess struct {
	startStack uint64
	scope      uint32             // in the last snapshot
	young      bool               // the process is not older than tracing, or not its image
	runtime    *goroutine.Runtime // nil while it is not found
	memory     *processMemory     // that it reads
	err        error              // why it is not read
	over       bool               // it will not be
	failures   int                // in a row
	tried      time.Time          // when the first look was
	looks      uint32
	read       bool               // one of them saw all
	known      map[uint64]*goWait // by goroutine
	looked     time.Time          // when the last look was
	starts     map[goStart]*goSite
	stacks     map[string]*goStack // by addresses
	sites      []*goSite
	others     goSite // stands for those beyond the first maxGoSites
	crowd      int    // how many goroutines wait at these
	omitted    int
	// process is who they are of, zero if that is no Go program, and verification what of
	// them nothing leads to.
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
			t.retireGoroutines(p)
			delete(t.goroutines.byProcess, key)
		} else if owner := t.processes[key.pid]; owner != nil && owner.space != nil && owner.space.startStack != p.startStack {
			t.replaced(p, now)
			t.retireGoroutines(p)
			t.goroutines.byProcess[key] = newGoProcess(owner.space.startStack, true)
		}
	}
	if !now.Before(t.goroutines.due) {
		t.lookAtAll(processes, now)
	}
}

// lookAtAll looks at the goroutines of all processes, and says when to do so again.
func (t *Tracer) lookAtAll(processes []ProcessActivity, now time.Time) {
	var first, others time.Duration
	omitted, programs, failed := 0, 0, 0
	for i := range processes {
		owner := processes[i].Process
		p := t.goProcess(processKey{owner.PID, owner.Start})
		if p == nil {
			continue
		}
		if programs++; p.over {
			failed++
			continue
		}
		began, to := ownTime(), &others
		if p.looks < firstLooks {
			to = &first
		}
		if err := t.look(owner, p, now); err != nil {
			failed++
		}
		*to += ownTime() - began
		omitted += p.omitted
	}
	g := t.goroutines
	g.omitted = max(g.omitted, uint64(omitted))
	g.due = now.Add(goroutineRest(first, others))
	if programs == 0 || failed < programs {
		g.looked = now
	}
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
	if owner == nil || owner.space == nil || owner.space.golang() == nil {
		return nil
	}
	p := t.goroutines.byProcess[key]
	if p == nil {
		p = newGoProcess(owner.space.startStack, owner.ours || t.clock.time(key.start).After(t.started))
		t.goroutines.byProcess[key] = p
	}
	p.process = Process{PID: key.pid, Comm: owner.comm, Start: key.start}
	return p
}

func newGoProcess(startStack uint64, young bool) *goProcess {
	return &goProcess{
		startStack: startStack, young: young, known: make(map[uint64]*goWait),
		starts: make(map[goStart]*goSite), stacks: make(map[string]*goStack),
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
