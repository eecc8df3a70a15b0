package tests

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/leaktrace/leaktrace/tracer"
)

// A stack is freed in the kernel when no object has it, and comes back as the
// same one. Counts go on where they were, and what is outstanding keeps its
// stack. Not parallel to other tests: it looks at maps by name.
func TestStackLife(t *testing.T) {
	const many, kept = 500, 3
	s := run(t, tracer.Options{}, "stacks")
	stacks := kernelMap(t, "stacks")
	s.do("churn 500")
	told := s.do("keep 3")
	if n := entries(t, stacks); n != many+kept {
		t.Errorf("the kernel has %d stacks, want %d", n, many+kept)
	}
	want := func(rounds uint64) map[string]tally {
		churned := tally{Created: rounds * many, Released: rounds * many}
		return map[string]tally{
			"thread churn_thread": churned, "unjoined-thread churn_thread": churned,
			"thread keep_thread": {Outstanding: kept, Created: kept},
		}
	}
	for round := range uint64(2) {
		var freed time.Time
		s.await("the stacks in use", func(shot *tracer.Snapshot) bool {
			s.check(shot, want(round+1))
			if freed.IsZero() && entries(t, stacks) == kept {
				freed = time.Now()
			}
			// Go forgets a stack two seconds after the kernel, and nobody sees it.
			return !freed.IsZero() && time.Since(freed) > 4*time.Second
		})
		s.do("churn 500")
		shot := s.snapshot()
		s.check(shot, want(round+2))
		s.complete(shot)
		s.checkIDs("threads", s.outstanding(shot, tracer.Thread, "keep_thread"), byID, told.ThreadTIDs)
	}
}

// await takes snapshots until one of them shows something.
func (s *session) await(what string, shows func(*tracer.Snapshot) bool) {
	s.t.Helper()
	s.awaitIn(s.snapshot, what, shows)
}

// awaitIn is await for a way to take snapshots, each of which takes a while.
func (s *session) awaitIn(take func() *tracer.Snapshot, what string, shows func(*tracer.Snapshot) bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !shows(take()); {
		if s.t.Failed() || time.Now().After(deadline) {
			s.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// kernelMap opens the map of the only tracer there is that has a name.
func kernelMap(t *testing.T, name string) *ebpf.Map {
	t.Helper()
	found := kernelMaps(t, name)
	for _, m := range found {
		t.Cleanup(func() { _ = m.Close() })
	}
	if len(found) != 1 {
		t.Fatalf("there are %d maps %q", len(found), name)
	}
	return found[0]
}

// kernelMaps opens the maps of all tracers of this process that have a name.
func kernelMaps(t *testing.T, name string) (found []*ebpf.Map) {
	t.Helper()
	descriptors, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]map[uint32]bool{"map": {}}
	for _, path := range descriptors {
		readIDs(path, ids)
	}
	for id := range ids["map"] {
		m, err := ebpf.NewMapFromID(ebpf.MapID(id))
		if err != nil {
			t.Fatalf("open map %d: %v", id, err)
		}
		if info, err := m.Info(); err == nil && info.Name == name {
			found = append(found, m)
		} else {
			_ = m.Close()
		}
	}
	return found
}

// entries counts what is in a map of stacks.
func entries(t *testing.T, m *ebpf.Map) (n int) {
	t.Helper()
	var id uint64
	err := m.NextKey(nil, &id)
	for ; err == nil; err = m.NextKey(id, &id) {
		n++
	}
	if !errors.Is(err, ebpf.ErrKeyNotExist) {
		t.Fatalf("list stacks: %v", err)
	}
	return n
}
