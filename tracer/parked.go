package tracer

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/leaktrace/leaktrace/tracer/unwind"
)

// Parked is threads that are blocked at one place.
type Parked struct {
	// Stack is where. It has no frames when Running.
	Stack Stack
	// Running says that the threads ran, or were ready to, whenever they were
	// looked at. Only one Parked of several has it.
	Running bool
	// Threads is their tids, sorted.
	Threads []int
}

// parkedLooks bounds how often threads are looked at that woke meanwhile.
const parkedLooks = 3

// Parked tells where threads are blocked now, without stopping them, and those
// together whose stacks read the same: most threads first. What is not a live
// thread is left out. No stack is a mixture of two: a thread that ran while its
// stack was read is looked at again, and in the end called running. Options.Kinds
// must not leave out Thread. Ten thousand threads take some 0.2 s.
func (t *Tracer) Parked(threads []Object) ([]Parked, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := &parking{
		tracer:    t,
		memory:    remote{memory: t.memory},
		awake:     make(map[int]int),
		byAddress: make(map[string]*Parked),
		byName:    make(map[string]*Parked),
	}
	for _, o := range threads {
		if o.Kind == Thread {
			p.awake[o.ID] = o.Owner.PID
		}
	}
	p.sync()
	for i := 0; i < parkedLooks && len(p.awake) > 0; i++ {
		if err := p.look(); err != nil {
			return nil, fmt.Errorf("look where threads are parked: %w", err)
		}
	}
	return p.finish(), nil
}

// parking groups threads by where they are parked.
type parking struct {
	tracer *Tracer
	memory remote
	awake  map[int]int // threads not found blocked so far: pids by tid
	// byAddress are the same groups as byName: many stacks are symbolised once.
	byAddress, byName map[string]*Parked
}

// sync reads the mappings of the threads' processes, once for all looks.
func (p *parking) sync() {
	owners := make(map[int]bool)
	for _, pid := range p.awake {
		owners[pid] = true
	}
	for pid := range owners {
		if owner := p.tracer.processes[pid]; owner != nil {
			p.tracer.note(p.tracer.sync(owner))
		}
	}
}

// look groups the threads that are blocked all the while, and keeps in awake
// those that are not and have not ended.
func (p *parking) look() error {
	before, err := p.read()
	if err != nil {
		return err
	}
	walks := make(map[int]walked, len(before))
	for tid, thread := range before {
		if thread.Running == 0 {
			walks[tid] = p.walk(&thread)
		}
	}
	after, err := p.read()
	if err != nil {
		return err
	}
	clear(p.awake)
	for tid, thread := range after {
		if thread.Running != 0 || thread != before[tid] {
			p.awake[tid] = int(thread.Tgid)
			continue
		}
		p.add(tid, walks[tid])
	}
	return nil
}

// read asks the kernel where the threads in awake are.
func (p *parking) read() (map[int]ledgerLeakParked, error) {
	out := make(map[int]ledgerLeakParked, len(p.awake))
	err := p.tracer.iterate(ledgerProgParkedTasks, func(r io.Reader) error {
		return readRecords(r, func(record *ledgerLeakParked) {
			if p.awake[int(record.Tid)] == int(record.Tgid) {
				out[int(record.Tid)] = *record
			}
		})
	})
	return out, err
}

// walked is a stack before it is symbolised.
type walked struct {
	space   uint32
	pid     int
	frames  []uint64
	quality Quality
}

// walk follows the stack of a blocked thread.
func (p *parking) walk(thread *ledgerLeakParked) walked {
	owner := p.tracer.processes[int(thread.Tgid)]
	if owner == nil || owner.space == nil || owner.space.startStack != thread.StartStack {
		return walked{frames: []uint64{thread.Regs.Ip}, quality: NoMapping}
	}
	regs := walkRegs(&thread.Regs)
	regs.Interrupted = thread.Interrupted != 0
	p.memory.turn(int(thread.Tgid), int(thread.Tid))
	frames, outcome := unwind.Walk(regs, &p.memory, image{owner.space, p.tracer.files.tables})
	if regs.Interrupted {
		frames[0]++ // as if it were a return address, like the others
	}
	return walked{owner.space.id, owner.pid, frames, outcomes[outcome]}
}

// key tells stacks apart by their addresses.
func (w walked) key() string {
	key := binary.NativeEndian.AppendUint32([]byte(w.quality), w.space)
	for _, pc := range w.frames {
		key = binary.NativeEndian.AppendUint64(key, pc)
	}
	return string(key)
}

// add puts a thread into the group of its stack.
func (p *parking) add(tid int, w walked) {
	key := w.key()
	group := p.byAddress[key]
	if group == nil {
		stack := p.tracer.stacks.content(whence{space: w.space, pid: w.pid}, w.frames, w.quality).Stack
		name := nameOf(stack)
		if group = p.byName[name]; group == nil {
			group = &Parked{Stack: stack}
			p.byName[name] = group
		}
		p.byAddress[key] = group
	}
	group.Threads = append(group.Threads, tid)
}

// nameOf is all that a reader sees of a stack: the addresses of a function
// count only where it has no name.
func nameOf(stack Stack) string {
	name := []byte(stack.Quality)
	for _, f := range stack.Frames {
		if f.Function != "" {
			f.Address = 0
		}
		name = fmt.Appendf(name, "\n%q", []any{f.Function, f.File, f.Line, f.Module, f.Inlined, f.Address})
	}
	return string(name)
}

// finish sorts the groups.
func (p *parking) finish() []Parked {
	var out []Parked
	for _, group := range p.byName {
		out = append(out, *group)
	}
	if len(p.awake) > 0 {
		running := Parked{Stack: Stack{Site: -1, Quality: NoStack}, Running: true}
		for tid := range p.awake {
			running.Threads = append(running.Threads, tid)
		}
		out = append(out, running)
	}
	for _, group := range out {
		slices.Sort(group.Threads)
	}
	slices.SortFunc(out, func(a, b Parked) int {
		return cmp.Or(cmp.Compare(len(b.Threads), len(a.Threads)), cmp.Compare(a.Threads[0], b.Threads[0]))
	})
	return out
}
