package tracer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// lookPatience bounds how long a look waits for memory: a million goroutines take two
// seconds.
const lookPatience = 10 * time.Second

// processMemory is the memory of a process, as package goroutine wants it, for a look or
// a verification. That takes what does not come for what is not there: it counts for
// nothing if it has failed.
type processMemory struct {
	memory   *memory
	pid      int
	through  int           // the thread by way of which it is read
	patience time.Duration // that is left
	failed   error
}

// begin has a look, or a verification, wait so long in all.
func (m *processMemory) begin(patience time.Duration) {
	m.patience, m.through = patience, livingThread(m.pid).tid
}

// Read implements goroutine.Memory.
func (m *processMemory) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	if m.failed != nil {
		return 0, m.failed
	}
	began := time.Now()
	n, err := m.memory.read(m.pid, m.through, p, pieces...)
	m.patience -= time.Since(began)
	switch {
	case errors.Is(err, errHung), errors.Is(err, errBusy):
		m.failed = err
	case m.patience < 0:
		m.memory.tire(m.pid)
		m.failed = errHung
	default:
		return n, err
	}
	return 0, m.failed
}

// program is the Go program of a space that has one.
func (s *space) program() (goroutine.Program, error) {
	code := s.golang()
	table, version := code.file.symbols.Go()
	if table == nil {
		return goroutine.Program{}, errors.New("its table of functions cannot be read")
	}
	return goroutine.Program{Table: table, Version: version, Bias: code.bias}, nil
}

// look looks at the goroutines of a process once.
func (t *Tracer) look(owner Process, p *goProcess, now time.Time) error {
	if p.tried.IsZero() {
		p.tried = now
	}
	err := t.scan(owner, p, now)
	if err != nil {
		p.fail(t.name(owner.PID), err, now)
	}
	return err
}

// fail notes that a look has failed at a process of a name.
func (p *goProcess) fail(name string, err error, now time.Time) {
	p.runtime = nil // it has just ended, or is found better next time
	if errors.Is(err, errHung) || errors.Is(err, errBusy) {
		p.err = fmt.Errorf("goroutines of %s could not be read the last time: %w", name, err)
		return
	}
	if !p.read && errors.Is(err, goroutine.ErrEarly) && now.Sub(p.tried) < earlyPatience {
		return
	}
	if p.failures++; p.failures == mostFailures {
		p.giveUp()
		p.err = fmt.Errorf("goroutines of %s are not read: %w", name, err)
	}
}

// scan reads the goroutines of a process, once its runtime is found.
func (t *Tracer) scan(owner Process, p *goProcess, now time.Time) error {
	if p.runtime == nil {
		if err := t.open(owner.PID, p); err != nil {
			return err
		}
	} else {
		p.memory.begin(lookPatience)
	}
	l := goLook{tracer: t, goProcess: p, space: t.processes[owner.PID].space, owner: owner, most: maxGoroutines}
	if t.scopes != nil {
		others := t.goroutines.count() - len(p.known)
		l.most = min(maxEachGoroutines, maxNodeGoroutines-others)
	}
	p.looks++
	omitted, err := p.runtime.Scan(l.wants, l.see)
	if p.memory.failed != nil {
		err = p.memory.failed
	}
	l.finish(omitted, err == nil)
	p.looked = now
	return err
}

// open finds the runtime of a process. One that has just begun has none yet.
func (t *Tracer) open(pid int, p *goProcess) error {
	program, err := t.processes[pid].space.program()
	if err != nil {
		return err
	}
	p.memory = &processMemory{memory: t.memory, pid: pid}
	p.memory.begin(lookPatience)
	p.runtime, err = goroutine.Open(program, p.memory, t.goroutines.room)
	if p.memory.failed != nil {
		return p.memory.failed
	}
	return err
}

// giveUp ends the looks at a process. What the last one saw stays: nothing tells that it
// has ended.
func (p *goProcess) giveUp() {
	p.over = true
	p.known, p.starts, p.stacks = nil, nil, nil
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
		known = &goWait{before: !l.read && !l.young, look: l.looks}
		known.note(g)
		l.known[g.ID] = known
		return
	}
	known.look = l.looks
	switch {
	case !known.same(g):
		l.leave(known, g.ID)
		known.note(g)
	case stack != nil:
		l.enter(known, g, stack)
	}
}

// finish ends a look, in which so many goroutines were not even read. One that failed has
// seen a part, and does not tell what has ended.
func (l *goLook) finish(omitted int, whole bool) {
	if whole {
		l.sweep()
		l.read, l.failures, l.err = true, 0, nil
	}
	for _, s := range l.sites {
		s.settle()
	}
	l.omitted = omitted + l.left + l.crowd
}

// leave notes that a goroutine has gone on, or ended.
func (l *goLook) leave(w *goWait, id uint64) {
	switch w.site {
	case nil:
	case &l.others:
		l.crowd--
	default:
		w.site.leave(id, w.before)
	}
	w.site = nil
}

// sweep forgets the goroutines that have ended.
func (l *goLook) sweep() {
	for id, known := range l.known {
		if known.look != l.looks {
			l.leave(known, id)
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
