package tests

import (
	"encoding/binary"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// small makes maps small, by name.
func small(entries map[string]uint32) tracer.Options {
	return tracer.Options{Tuning: tracer.Tuning{Entries: entries}}
}

// lost returns a loss counter, and checks that nothing else was lost.
func (s *session) lost(shot *tracer.Snapshot, name string, others ...string) uint64 {
	s.t.Helper()
	var count uint64
	for _, lost := range shot.Lost {
		if lost.Name == name {
			count = lost.Count
		} else if lost.Count != 0 && !slices.Contains(others, lost.Name) {
			s.t.Errorf("lost %s: %d\n%s", lost.Name, lost.Count, render(shot))
		}
	}
	if count == 0 {
		s.t.Errorf("%s is 0: the test loses nothing", name)
	}
	return count
}

// lossyChurn is what churn does in TestLost, by kind.
const lostThreads, lostChildren, lostConnections, lostLeaks = 200, 100, 100, 10

func lossyChurn() map[tracer.Kind]tally {
	accepted := accepts(lostConnections + lostLeaks)
	return map[tracer.Kind]tally{
		tracer.Thread:         {lostLeaks, lostThreads + 2*lostLeaks, lostThreads + lostLeaks},
		tracer.UnjoinedThread: {lostLeaks, lostThreads + lostLeaks, lostThreads},
		tracer.Zombie:         {lostLeaks, lostChildren + lostLeaks, lostChildren},
		tracer.CloseWait:      {lostLeaks, lostConnections + lostLeaks + accepted, lostConnections + accepted},
	}
}

func churnSmall(t *testing.T, options tracer.Options) *session {
	t.Helper()
	return run(t, options, "churn", "200", "100", "100", "10")
}

// Without scratch for a walk an object has no stack, and is counted all the same.
// All slots are taken, as by programs that were interrupted. Not parallel: it
// looks a map up by name.
func TestLostSlot(t *testing.T) {
	s := churnSmall(t, tracer.Options{})
	slots := kernelMap(t, "slots")
	taken := make([][]byte, runtime.NumCPU())
	for i := range taken {
		taken[i] = make([]byte, slots.ValueSize())
		binary.NativeEndian.PutUint64(taken[i], 1) // busy
	}
	for slot := range slots.MaxEntries() {
		if err := slots.Put(slot, taken); err != nil {
			t.Fatalf("take slot %d: %v", slot, err)
		}
	}
	told := s.do("go")
	shot := s.lossySnapshot()
	s.checkKinds(shot, told, lossyChurn())
	walks := lostThreads + 2*lostLeaks + lostChildren + lostLeaks + lostConnections + lostLeaks + accepts(lostConnections+lostLeaks)
	if n := s.lost(shot, "stacks_no_scratch"); n != walks {
		t.Errorf("%d walks had no scratch, want %d", n, walks)
	}
	s.nameless(shot)
}

// nameless checks that no site claims to know who created its objects.
func (s *session) nameless(shot *tracer.Snapshot) {
	s.t.Helper()
	for _, site := range shot.Sites {
		if len(site.Stack.Frames) > 0 {
			s.t.Errorf("a %s site has a stack:\n%s", site.Kind, render(shot))
		}
	}
}

// A stack for which there is no room is lost, the object and its count are not.
func TestLostStack(t *testing.T) {
	t.Parallel()
	s := churnSmall(t, small(map[string]uint32{"stacks": 1}))
	told := s.do("go")
	shot := s.lossySnapshot()
	s.checkKinds(shot, told, lossyChurn())
	s.lost(shot, "stacks_map_full")
	known := make(map[string]bool)
	for _, site := range shot.Sites {
		known[siteFunction(site.Stack)] = true
	}
	if len(known) != 2 || !known[noStack] {
		t.Errorf("of one stack there was room, but there are %v", known)
	}
}

// A site for which there is no room has a count that is too low, but never lower
// than what is outstanding.
func TestLostSite(t *testing.T) {
	t.Parallel()
	s := churnSmall(t, small(map[string]uint32{"sites_even": 1, "sites_odd": 1}))
	told := s.do("go")
	shot := s.lossySnapshot()
	lost := s.lost(shot, "sites_map_full")
	var created uint64
	for _, site := range shot.Sites {
		if site.Created < site.Released+uint64(len(site.Outstanding)) {
			t.Errorf("a %s site has %d created, %d released, %d outstanding",
				site.Kind, site.Created, site.Released, len(site.Outstanding))
		}
		if site.Kind != tracer.UnjoinedThread {
			created += site.Created
		}
	}
	// Of those that were not counted the ones that are outstanding still show.
	all := lostThreads + 2*lostLeaks + lostChildren + lostLeaks + lostConnections + lostLeaks + accepts(lostConnections+lostLeaks)
	if created+lost < all || created > all {
		t.Errorf("%d created and %d not counted, want %d", created, lost, all)
	}
	s.checkOutstanding(shot, told)
}

// checkOutstanding checks that what is outstanding is what a program says, of
// every kind.
func (s *session) checkOutstanding(shot *tracer.Snapshot, told truth) {
	s.t.Helper()
	ids := idsOf(told)
	for _, kind := range tracer.Kinds() {
		s.checkIDs(string(kind), ofKind(shot, kind), numberOf, ids[kind])
	}
}

// A thread for which there is no room is not seen at all. Those that are seen are
// the program's.
func TestLostThread(t *testing.T) {
	t.Parallel()
	const room = 4
	s := run(t, small(map[string]uint32{"threads": room}), "leaky-o2", "thread")
	told := s.do("go 20")
	shot := s.lossySnapshot()
	lost := s.lost(shot, "threads_map_full")
	threads := ofKind(shot, tracer.Thread)
	if missing := uint64(told.Threads - len(threads)); len(threads) > room || missing > lost {
		t.Errorf("%d outstanding and %d lost, want %d", len(threads), lost, told.Threads)
	}
	for _, o := range threads {
		if !slices.Contains(told.ThreadTIDs, o.ID) {
			t.Errorf("thread %s is none of the program's", renderObject(o))
		}
	}
}

// A finished thread for which there is no room is not judged: nobody is blamed
// for it.
func TestLostTCB(t *testing.T) {
	t.Parallel()
	const room = 4
	s := run(t, small(map[string]uint32{"tcbs": room}), "leaky-o2", "unjoined")
	told := s.do("go 20")
	shot := s.lossySnapshot()
	if n := s.lost(shot, "finished_threads_map_full"); n < uint64(told.Unjoined-room) {
		t.Errorf("%d of %d finished threads were lost, with room for %d", n, told.Unjoined, room)
	}
	unjoined := ofKind(shot, tracer.UnjoinedThread)
	if len(unjoined) == 0 || len(unjoined) > room {
		t.Errorf("%d are outstanding, with room for %d", len(unjoined), room)
	}
	for _, o := range unjoined {
		if !slices.Contains(told.UnjoinedTIDs, o.ID) {
			t.Errorf("thread %s is said to be unjoined", renderObject(o))
		}
	}
}

// A ring without room loses the copy of a stack that could not be walked, and no
// object. What else it should have told a snapshot finds.
func TestLostEvent(t *testing.T) {
	t.Parallel()
	s := run(t, small(map[string]uint32{"events": 4096}), "dlopen")
	told := s.do("go 3")
	shot := s.lossySnapshot()
	s.lost(shot, "events_ring_full")
	got := make(map[tracer.Kind]tally)
	for _, site := range shot.Sites {
		sum := got[site.Kind]
		sum.Outstanding += len(site.Outstanding)
		sum.Created += site.Created
		got[site.Kind] = sum
	}
	want := map[tracer.Kind]tally{tracer.Zombie: threeKept, tracer.Thread: threeKept}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wrong sums (-want +got):\n%s%s", diff, render(shot))
	}
	s.checkIDs("zombies", ofKind(shot, tracer.Zombie), byID, told.ZombiePIDs)
	s.checkIDs("threads", ofKind(shot, tracer.Thread), byID, told.ThreadTIDs)
}

// A stack that Go was told of by no event and no count is found in the kernel's
// map, and freed. Not parallel: it looks a map up by name.
func TestUntoldStacks(t *testing.T) {
	const stackEvent = uint32(1) // LEAK_EVENT_STACK
	s := run(t, tracer.Options{Tuning: tracer.Tuning{
		Entries:   map[string]uint32{"sites_even": 1, "sites_odd": 1},
		Constants: map[string]any{"lost_event": stackEvent},
	}}, "stacks")
	stacks := kernelMap(t, "stacks")
	s.do("churn 1000")
	if n := entries(t, stacks); n != 1000 {
		t.Errorf("the kernel has %d stacks, want 1000", n)
	}
	if n := s.lost(s.lossySnapshot(), "events_ring_full", "sites_map_full"); n != 1000 {
		t.Errorf("%d events were lost, want 1000", n)
	}
	s.awaitIn(s.lossySnapshot, "an empty map", func(*tracer.Snapshot) bool { return entries(t, stacks) == 0 })
}
