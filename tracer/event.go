package tracer

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/cilium/ebpf/ringbuf"
)

// watch handles events until the ring buffer is closed.
func (t *Tracer) watch() {
	defer close(t.watched)
	var record ringbuf.Record
	for {
		if err := t.events.ReadInto(&record); err != nil {
			if errors.Is(err, ringbuf.ErrClosed) {
				return
			}
			continue
		}
		event, ok := decodeEvent(record.RawSample)
		if ok {
			t.handle(event)
		}
	}
}

func decodeEvent(p []byte) (ledgerLeakEvent, bool) {
	if len(p) != binary.Size(ledgerLeakEvent{}) {
		return ledgerLeakEvent{}, false
	}
	return ledgerLeakEvent{
		Type: ledgerLeakEventType(binary.NativeEndian.Uint32(p)),
		Tgid: binary.NativeEndian.Uint32(p[4:]),
		Id:   binary.NativeEndian.Uint64(p[8:]),
	}, true
}

// handle acts on one event. An event only says where to look: what cannot be
// done now (the process is gone, say) is found again by the next snapshot.
func (t *Tracer) handle(event ledgerLeakEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	pid := int(event.Tgid)
	switch event.Type {
	case ledgerLeakEventTypeLEAK_EVENT_STACK:
		t.note(t.stacks.resolve(event.Id))
	case ledgerLeakEventTypeLEAK_EVENT_FORK:
		t.note(t.enter(t.process(pid), t.spaces.byID[uint32(event.Id)]))
	case ledgerLeakEventTypeLEAK_EVENT_EXEC:
		t.note(t.sync(t.process(pid)))
	case ledgerLeakEventTypeLEAK_EVENT_EXIT:
		t.ended(pid)
	case ledgerLeakEventTypeLEAK_EVENT_UNMAPPED:
		t.unmapped(t.process(pid))
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

// unmapped reads a process's mappings again, but not all the time: a stack may
// leave the mappings for good, where code was generated and unmapped.
func (t *Tracer) unmapped(p *process) {
	if time.Since(p.read) > resyncEvery {
		t.note(t.sync(p))
	} else {
		p.dirty = true
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
	if p == t.target {
		close(t.exited)
	}
}
