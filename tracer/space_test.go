package tracer

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
)

// smallSpaces has room for four images, and for eight mappings of them all.
func smallSpaces(t *testing.T) *spaces {
	t.Helper()
	return newSpaces(smallArray(t, 4, 24), smallArray(t, 8, 32), nil)
}

func smallArray(t *testing.T, entries, valueSize uint32) *ebpf.Map {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: valueSize, MaxEntries: entries})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// lookup finds the mapping of an address as the kernel does.
func (ss *spaces) lookup(t *testing.T, id uint32, pc uint64) (found bool) {
	t.Helper()
	var s ledgerLeakSpace
	if err := ss.kernel.Lookup(id%ss.kernel.MaxEntries(), &s); err != nil {
		t.Fatal(err)
	}
	for i := s.First; s.Id == id && i < s.First+s.Mappings; i++ {
		var m ledgerLeakMapping
		if err := ss.mappings.Lookup(i, &m); err != nil {
			t.Fatal(err)
		}
		found = found || m.Start <= pc && pc < m.End
	}
	return found
}

// imageAt is a space of so many mappings, one page each, from start on.
func imageAt(start uint64, mappings int) *space {
	s := &space{startStack: start}
	for i := range uint64(mappings) {
		s.mappings = append(s.mappings, mapping{start: start + i<<12, end: start + (i+1)<<12})
	}
	return s
}

// The mappings of a process that exits are those it had, not those it has left: none.
func TestSpaceOfExit(t *testing.T) {
	tr, had := &Tracer{spaces: smallSpaces(t)}, imageAt(0x10000, 3)
	p := &process{pid: 7, startStack: had.startStack, space: had}
	if err := tr.syncWith(p, fakeProc(t, "")); err != nil || p.space != had {
		t.Errorf("%d mappings are left, %v", len(p.space.mappings), err)
	}
}

// Images come and go without a snapshot in between, far more of them than there
// is room for at once, and those that stay are not touched by it.
func TestSpacesComeAndGo(t *testing.T) {
	ss := smallSpaces(t)
	stays := imageAt(0x10000, 3)
	if err := ss.publish(stays); err != nil {
		t.Fatal(err)
	}
	ids := make(map[uint32]bool)
	for range 50 {
		s := imageAt(0x50000, 4)
		if err := ss.publish(s); err != nil {
			t.Fatal(err)
		}
		if ids[s.id] {
			t.Errorf("id %d is used again", s.id)
		}
		ids[s.id] = true
		got := []bool{ss.lookup(t, stays.id, 0x12fff), ss.lookup(t, s.id, 0x53fff), ss.lookup(t, s.id, 0x12fff)}
		if diff := cmp.Diff([]bool{true, true, false}, got); diff != "" {
			t.Fatalf("mappings: %s", diff)
		}
		if err := ss.retire(s); err != nil {
			t.Fatal(err)
		}
		if ss.lookup(t, s.id, 0x53fff) {
			t.Error("found in a retired image")
		}
	}
	for _, s := range ss.retired() {
		if err := ss.forget(s); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(extents{{3, 5}}, ss.free, cmp.AllowUnexported(extent{})); diff != "" {
		t.Errorf("free in the end: %s", diff)
	}
}

// What does not fit is refused, and takes no room.
func TestSpacesFull(t *testing.T) {
	ss := smallSpaces(t)
	for range 2 {
		if err := ss.publish(imageAt(0x10000, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ss.publish(imageAt(0x10000, 5)); !errors.Is(err, errTablesFull) {
		t.Errorf("five mappings where four are free: got %v, want errTablesFull", err)
	}
	for range 2 {
		if err := ss.publish(imageAt(0x10000, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := ss.publish(imageAt(0x10000, 1)); !errors.Is(err, errTablesFull) {
		t.Errorf("a fifth image: got %v, want errTablesFull", err)
	}
	if diff := cmp.Diff(extents{{6, 2}}, ss.free, cmp.AllowUnexported(extent{})); diff != "" {
		t.Errorf("free in the end: %s", diff)
	}
}
