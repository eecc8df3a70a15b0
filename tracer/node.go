package tracer

import (
	"errors"
	"fmt"
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
	t.stacks.scopes = t.scopes
	t.started = time.Now()
	if err := t.variables.WholeNode.Set(true); err != nil {
		return fmt.Errorf("trace all processes: %w", err)
	}
	for found := true; found; {
		var err error
		if found, err = t.beginOthers(); err != nil {
			return err
		}
	}
	return t.markOld()
}

// beginOthers begins to trace the processes that are not traced yet, and tells
// whether there were any: others may have begun meanwhile, as their children.
func (t *Tracer) beginOthers() (found bool, err error) {
	all, err := procfs.AllProcs()
	if err != nil {
		return false, fmt.Errorf("list processes: %w", err)
	}
	for _, proc := range all {
		if t.processes[proc.PID] != nil {
			continue
		}
		// What cannot be traced, as a kernel thread, is none of the others'.
		p, err := openProcess(proc.PID)
		if err != nil {
			continue
		}
		t.processes[p.pid] = p
		if err = t.sync(p); errors.Is(err, os.ErrProcessDone) {
			delete(t.processes, p.pid)
		}
		t.note(err)
		found = true
	}
	return found, nil
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

// discover takes up the processes that no event told of.
func (t *Tracer) discover(records []ledgerLeakProcessRecord) {
	for i := range records {
		r := &records[i]
		if t.processes[int(r.Tgid)] != nil || r.Ending != 0 {
			continue
		}
		p := t.process(int(r.Tgid))
		p.comm = comm(r.Comm)
		err := t.sync(p)
		if errors.Is(err, os.ErrProcessDone) {
			t.ended(p.pid)
			continue
		}
		t.note(err)
		t.corrected++
	}
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
	t.scopes.sweep(used)
}
