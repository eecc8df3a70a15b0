package tracer

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/prometheus/procfs"
)

// load puts programs and maps into the kernel and attaches the hooks.
func (t *Tracer) load() error {
	kernel, err := kernelTypes()
	if err != nil {
		return err
	}
	spec, err := loadLedger()
	if err != nil {
		return fmt.Errorf("read embedded BPF programs: %w", err)
	}
	wanted, refusable := t.choose(spec, kernel)
	if err := t.configure(spec, kernel); err != nil {
		return err
	}
	again := spec.Copy()
	if t.collection, err = ebpf.NewCollection(spec); err != nil {
		return explain("load BPF programs", err)
	}
	// Attached before Assign, which takes the maps away.
	t.attachRefusable(refusable)
	if err := t.attach(wanted); err != nil {
		return err
	}
	if t.needsTwins() {
		if err := t.loadTwins(again, wanted); err != nil {
			return err
		}
	}
	if err := errors.Join(t.collection.Assign(&t.maps), t.collection.Assign(&t.variables)); err != nil {
		return fmt.Errorf("find BPF maps: %w", err)
	}
	if t.events, err = ringbuf.NewReader(t.maps.Events); err != nil {
		return fmt.Errorf("open event ring: %w", err)
	}
	return nil
}

// choose tells which hooks are wanted, and which others the kernel may refuse.
// The programs of the former stay.
func (t *Tracer) choose(spec *ebpf.CollectionSpec, kernel *btf.Spec) (wanted, refusable []hook) {
	for _, h := range hooks {
		switch {
		case !h.wanted(kernel, t.options):
			delete(spec.Programs, h.program)
		case h.instead != "":
			delete(spec.Programs, h.program)
			refusable = append(refusable, h)
		default:
			wanted = append(wanted, h)
		}
	}
	return wanted, refusable
}

// configure tells the programs of the machine. There are no more tids than
// kernel.pid_max.
func (t *Tracer) configure(spec *ebpf.CollectionSpec, kernel *btf.Spec) error {
	proc, err := procfs.NewDefaultFS()
	if err != nil {
		return fmt.Errorf("configure BPF programs: %w", err)
	}
	if max, err := proc.SysctlInts("kernel.pid_max"); err == nil && len(max) == 1 && max[0] > 0 {
		threads := spec.Maps[ledgerMapThreads]
		threads.MaxEntries = min(threads.MaxEntries, uint32(max[0]))
	}
	err = errors.Join(
		spec.Variables[ledgerVarSeesUses].Set(hasTracepoint(kernel, "sock_recv_length")),
		spec.Variables[ledgerVarTwins].Set(t.needsTwins()))
	if err != nil {
		return fmt.Errorf("configure BPF programs: %w", err)
	}
	if err := t.options.Tuning.apply(spec); err != nil {
		return err
	}
	amounts, shares := kernelBudgets(func(table string) uint32 { return spec.Maps[table].MaxEntries })
	err = errors.Join(spec.Variables[ledgerVarBudgets].Set(amounts), spec.Variables[ledgerVarShares].Set(shares))
	if err != nil {
		return fmt.Errorf("configure BPF programs: %w", err)
	}
	return nil
}

// attachRefusable attaches what the kernel lets. What it refuses, the others
// make good; doctor tells which that is.
func (t *Tracer) attachRefusable(hooks []hook) {
	for _, h := range hooks {
		program, err := h.load(t.collection.Maps)
		if err != nil {
			continue
		}
		t.collection.Programs[h.program] = program // which closes it
		if l, err := h.attach(program); err == nil {
			t.links = append(t.links, l)
		}
	}
}

func (t *Tracer) attach(wanted []hook) error {
	for _, h := range wanted {
		l, err := h.attach(t.collection.Programs[h.program])
		if err != nil {
			return err
		}
		t.links = append(t.links, l)
		if iterator, ok := l.(*link.Iter); ok {
			t.iterators[h.program] = iterator
		}
	}
	return nil
}
