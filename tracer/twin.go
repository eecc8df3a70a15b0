package tracer

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// needsTwins tells whether the running kernel preempts programs on tracepoints, and
// skips them for the next task meanwhile: see bpf/twin.bpf.h. It does so from 7.0 on
// (seen on 7.3, and not on 6.18).
func (t *Tracer) needsTwins() bool {
	var name unix.Utsname
	var major int
	_ = unix.Uname(&name) // cannot fail with a valid pointer
	n, _ := fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.", &major)
	return t.options.Tuning.Twins || n == 1 && major >= 7
}

// loadTwins loads the second copies of hooks from configured programs, on the maps
// of the first, and attaches them. The kernel runs them after those, since they are
// attached later.
func (t *Tracer) loadTwins(spec *ebpf.CollectionSpec, wanted []hook) error {
	both := slices.DeleteFunc(slices.Clone(wanted), func(h hook) bool { return !h.twin })
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool {
		return !slices.ContainsFunc(both, func(h hook) bool { return h.program == name })
	})
	if err := spec.Variables[ledgerVarTwin].Set(true); err != nil {
		return fmt.Errorf("configure BPF programs: %w", err)
	}
	shared := maps.Clone(t.collection.Maps)
	delete(shared, constants)
	twins, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: shared})
	if err != nil {
		return explain("load BPF programs a second time", err)
	}
	t.twins = twins
	for _, h := range both {
		l, err := h.attach(twins.Programs[h.program])
		if err != nil {
			return err
		}
		t.links = append(t.links, l)
	}
	return nil
}

// constants is the map of const volatile variables, which twins have of their own.
const constants = ".rodata"

// readSkipped tells how many births and ends of tasks no hook has seen, of whatever
// process: what the first hooks were skipped for, without what their twins saw.
func (t *Tracer) readSkipped() (uint64, error) {
	var missed uint64
	for _, name := range []string{ledgerProgTaskNewtask, ledgerProgSchedProcessExit} {
		program := t.collection.Programs[name]
		if program == nil {
			continue // left out: no kind needs it
		}
		stats, err := program.Stats()
		if err != nil {
			return 0, fmt.Errorf("read how often %s was skipped: %w", name, err)
		}
		missed += stats.RecursionMisses
	}
	seen, err := t.readCounter(ledgerLeakCounterLEAK_TWIN_SAW)
	if err != nil {
		return 0, err
	}
	return t.skips.add(missed, seen), nil
}

// skips is what no hook has seen. A twin may not have run yet for what the first was
// skipped for, so only what is missing in two snapshots in a row was lost.
type skips struct{ missing, lost uint64 }

// add adds what the first hooks have missed by now, and what of it twins have seen.
func (s *skips) add(missed, seen uint64) (lost uint64) {
	before := s.missing
	s.missing = missed - min(missed, seen)
	s.lost = max(s.lost, min(before, s.missing))
	return s.lost
}
