package tracer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// watch handles events until the ring buffer is closed.
func (t *Tracer) watch() {
	defer close(t.watched)
	var record ringbuf.Record
	for {
		err := t.events.ReadInto(&record)
		switch {
		case err == nil:
			t.handle(record.RawSample)
		case errors.Is(err, ringbuf.ErrFlushed):
			t.drained <- struct{}{}
		case errors.Is(err, ringbuf.ErrClosed):
			return
		default:
			// The ledger stays right without events; stacks lose names.
			t.mu.Lock()
			t.note(err)
			t.mu.Unlock()
			return
		}
	}
}

// drain waits until every event that is in the ring buffer now was handled.
func (t *Tracer) drain() error {
	if err := t.events.Flush(); err != nil {
		return fmt.Errorf("drain event ring: %w", err)
	}
	select {
	case <-t.drained:
	case <-t.watched:
	}
	return nil
}

// eventSize is the size of struct leak_event, with which every event begins.
const eventSize = 16

// handle acts on one event. An event only says where to look: what cannot be
// done now (the process is gone, say) is found again by the next snapshot.
func (t *Tracer) handle(p []byte) {
	if len(p) < eventSize {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	pid, id := int(binary.NativeEndian.Uint32(p[4:])), binary.NativeEndian.Uint64(p[8:])
	switch ledgerLeakEventType(binary.NativeEndian.Uint32(p)) {
	case ledgerLeakEventTypeLEAK_EVENT_STACK:
		if !isUse(id) || t.stacks.usesFresh < maxUses {
			t.note(t.stacks.resolve(id, pid))
		}
	case ledgerLeakEventTypeLEAK_EVENT_FORK:
		t.forked(pid, t.spaces.byID[uint32(id)], uint32(id>>scopeShift))
	case ledgerLeakEventTypeLEAK_EVENT_EXEC:
		t.note(t.sync(t.process(pid)))
	case ledgerLeakEventTypeLEAK_EVENT_EXIT:
		t.ended(pid)
	case ledgerLeakEventTypeLEAK_EVENT_UNMAPPED:
		t.unmapped(t.process(pid))
	case ledgerLeakEventTypeLEAK_EVENT_RESCUE:
		t.rescue(t.process(pid), p)
	}
}

// process returns the process with this pid, getting to know it if need be.
func (t *Tracer) process(pid int) *process {
	p := t.processes[pid]
	if p == nil {
		p = &process{pid: pid}
		t.processes[pid] = p
	}
	return p
}

// forked puts a child into its parent's space. If that is out of the kernel by
// now, for the parent has ended or changed, the child's mappings are read.
func (t *Tracer) forked(pid int, s *space, scope uint32) {
	if known := t.processes[pid]; known != nil {
		// One that was never looked at is known by its fork alone, and forks but once.
		if known.start != 0 && !errors.Is(known.lookUp(), os.ErrProcessDone) {
			return // a snapshot has found it first, and knows more
		}
		t.ended(pid) // another one of that pid, whose end no event told of
	}
	child := t.process(pid)
	child.scope, child.program = scope, t.scopes.get(scope).Program
	child.muted = t.scopes.muted(scope)
	if child.muted {
		return
	}
	if s != nil {
		child.startStack = s.startStack
	}
	if s != nil && t.spaces.inKernel(s) {
		t.note(t.enter(child, s))
	} else {
		t.note(t.sync(child))
	}
}

// unmapped reads a process's mappings again, but not all the time: a stack may
// leave the mappings for good, where code was generated and unmapped.
func (t *Tracer) unmapped(p *process) {
	if time.Since(p.read) > resyncEvery {
		t.note(t.sync(p))
	}
}

// ended forgets a process and lets go of its space.
func (t *Tracer) ended(pid int) {
	p := t.processes[pid]
	if p == nil {
		return
	}
	t.note(t.enter(p, nil))
	delete(t.processes, pid)
	t.memory.forget(pid)
	if p == t.target {
		close(t.exited)
	}
}
