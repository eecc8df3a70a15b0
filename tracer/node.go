package tracer

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/prometheus/procfs"
)

// lookAtNodeEvery is lookEvery where all processes of a machine are traced, which
// costs as much as there are processes.
const lookAtNodeEvery = time.Minute

// TraceNode begins to trace every process of the machine, those that begin later
// too, and keeps them apart by Scope. admit limits that to some cgroups; it is asked
// again at each snapshot, so that its answer may change, and must not block. It is
// called instead of Trace or Start, and once.
func (t *Tracer) TraceNode(admit func(cgroup string) bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.scopes = newScopes(t.maps.Tenants, t.maps.Returns, admit)
	t.stacks.perfMaps.max = maxNodePerfMaps
	t.started = time.Now()
	if err := t.variables.WholeNode.Set(true); err != nil {
		return fmt.Errorf("trace all processes: %w", err)
	}
	// What began meanwhile, as a child of what was not traced yet, is found by the
	// second look. After that snapshots find what is left.
	headless := uint64(0)
	for range 2 {
		var err error
		if headless, err = t.beginOthers(); err != nil {
			return err
		}
	}
	t.problems += headless
	return t.markOld()
}

// beginOthers begins to trace the processes that are not traced yet. It returns how many
// cannot be because their main thread has ended.
func (t *Tracer) beginOthers() (headless uint64, err error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return 0, fmt.Errorf("list processes: %w", err)
	}
	for _, proc := range all {
		if t.processes[proc.PID] != nil {
			continue
		}
		p, err := openProcess(proc.PID)
		if errors.Is(err, errHeadless) {
			headless++
		}
		if err != nil {
			continue // of others that cannot be traced, as a kernel thread, nothing can leak
		}
		t.processes[p.pid] = p
		if err = t.sync(p); errors.Is(err, os.ErrProcessDone) {
			delete(t.processes, p.pid)
		}
		t.note(err)
	}
	return headless, nil
}

// place finds out the scope of a process. It is that of its image from the
// beginning: a program may give itself any name.
func (t *Tracer) place(p *process, proc procfs.Proc) error {
	if t.scopes == nil {
		return nil
	}
	of := Scope{OtherCgroups, p.program}
	if groups, err := proc.Cgroups(); err == nil {
		of.Cgroup = t.scopes.cgroups.Of(groups)
	} else if done := p.identify(proc); done != nil {
		return done
	}
	var err error
	p.scope, err = t.scopes.number(of)
	return err
}

// readmit follows a change of which cgroups are traced.
func (t *Tracer) readmit() error {
	if t.scopes == nil {
		return nil
	}
	changed := t.scopes.readmit()
	if len(changed) == 0 {
		return nil
	}
	for pid, p := range t.processes {
		if !changed[t.scopes.tenant(p.scope)] {
			continue
		}
		err := t.sync(p)
		if errors.Is(err, os.ErrProcessDone) {
			t.ended(pid)
		}
		t.note(err)
	}
	return t.markOld()
}

// discover takes up the processes that no event told of, and those that lost their
// mark. The events of what began before drained were handled.
func (t *Tracer) discover(records []ledgerLeakProcessRecord, drained uint64) {
	for i := range records {
		r := &records[i]
		known := t.processes[int(r.Tgid)]
		switch {
		case r.Ending != 0 || known != nil && r.Unmarked == 0:
			continue
		case known != nil:
			t.note(t.mark(known, known.space))
		case !t.takeUp(r):
			continue
		}
		if r.Start < drained {
			t.corrected++
		}
	}
}

// takeUp gets to know a process. It tells whether that is still alive.
func (t *Tracer) takeUp(r *ledgerLeakProcessRecord) bool {
	p := t.process(int(r.Tgid))
	p.comm = comm(r.Comm)
	err := t.sync(p)
	if errors.Is(err, os.ErrProcessDone) {
		t.ended(p.pid)
		return false
	}
	t.note(err)
	return true
}

// sweepScopes lets go of the scopes that have neither processes nor objects.
func (t *Tracer) sweepScopes() {
	if t.scopes == nil {
		return
	}
	used := map[uint32]bool{}
	for _, p := range t.processes {
		used[p.scope] = true
	}
	for id := range t.tallies {
		used[t.stacks.scope(id)] = true
	}
	for key := range t.past {
		if !used[key.scope] {
			delete(t.past, key)
		}
	}
	maps.DeleteFunc(t.stacks.callers, func(scope uint32, _ *callers) bool { return !used[scope] })
	t.scopes.sweep(used)
}

// scope is whose an object is: that of its stack, or of its owner. A zombie that
// nobody traced has forked is its reaper's.
func (b *builder) scope(birth uint64, o *Object) uint32 {
	if b.tracer.scopes == nil {
		return 0
	}
	if scope := b.tracer.stacks.scope(birth); scope != 0 {
		return scope
	}
	if scope, alive := b.scopes[processKey{o.Owner.PID, o.Owner.Start}]; alive {
		return scope
	}
	for who := range o.Responsible() {
		if scope, alive := b.scopes[processKey{who.PID, who.Start}]; alive {
			return scope
		}
	}
	return 0
}

// processKey names a process beyond the reuse of its pid and the change of its name.
type processKey struct {
	pid   int
	start uint64
}

// scopesOf is the scopes of processes; nil unless a node is traced.
func (t *Tracer) scopesOf(records []ledgerLeakProcessRecord) map[processKey]uint32 {
	if t.scopes == nil {
		return nil
	}
	scopes := make(map[processKey]uint32, len(records))
	for i := range records {
		if p := t.processes[int(records[i].Tgid)]; p != nil {
			scopes[processKey{p.pid, records[i].Start}] = p.scope
		}
	}
	return scopes
}
