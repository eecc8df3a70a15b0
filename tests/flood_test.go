package tests

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// In a flood of creations few stacks are captured, all objects are counted, and
// all that are outstanding are there, whether their site is known or not.
func TestFlood(t *testing.T) {
	const threads, children, connections, leaks = 3000, 1000, 2000, 20
	s := run(t, tracer.Options{Tuning: tracer.Tuning{Constants: map[string]any{"stack_budget": uint32(50)}}},
		"churn", "3000", "1000", "2000", "20")
	told := s.do("go")
	accepted := accepts(connections + leaks)
	shot := s.snapshot()
	s.checkKinds(shot, told, map[tracer.Kind]tally{
		tracer.Thread:         {leaks, threads + 2*leaks, threads + leaks},
		tracer.UnjoinedThread: {leaks, threads + leaks, threads},
		tracer.Zombie:         {leaks, children + leaks, children},
		tracer.CloseWait:      {leaks, connections + leaks + accepted, connections + accepted},
	})
	var captured uint64
	for _, n := range shot.StackQuality {
		captured += n
	}
	created := threads + 2*leaks + children + leaks + connections + leaks + accepted
	if captured+shot.Sampling.LeftOut != created {
		t.Errorf("%d stacks captured, %d left out, %d objects created", captured, shot.Sampling.LeftOut, created)
	}
	if shot.Sampling.OneIn < 2 || captured < 50 || captured > created/2 {
		t.Errorf("%d stacks captured of %d, sampling %+v", captured, created, shot.Sampling)
	}
	for _, site := range shot.Sites {
		if site.Group == tracer.NotSampled && site.Created == 0 {
			t.Errorf("no %s counts as not sampled", site.Kind)
		}
		if site.Group != tracer.NotSampled && siteFunction(site.Stack) == noStack {
			t.Errorf("a %s site has no stack, and does not say why", site.Kind)
		}
	}
}

// When a flood is over every stack is captured again.
func TestFloodEnds(t *testing.T) {
	s := run(t, tracer.Options{Tuning: tracer.Tuning{Constants: map[string]any{"stack_budget": uint32(50)}}}, "stacks")
	s.do("churn 2000")
	before := s.snapshot().Sampling
	if before.OneIn < 16 {
		t.Errorf("a flood was sampled 1 in %d", before.OneIn)
	}
	// 20 in a row have a stack: by luck that is one case in a million at 1 in 2.
	for deadline := time.Now().Add(patience); ; {
		s.do("churn 20")
		after := s.snapshot().Sampling
		if after == before {
			return
		}
		if before = after; time.Now().After(deadline) {
			t.Fatal("stacks are still left out")
		}
		time.Sleep(500 * time.Millisecond) // not to wait, but to be no flood: 40 creations a second
	}
}

// checkSums compares the sums of all sites of each kind.
func (s *session) checkSums(shot *tracer.Snapshot, want map[tracer.Kind]tally) {
	s.t.Helper()
	got := make(map[tracer.Kind]tally)
	for _, site := range shot.Sites {
		sum := got[site.Kind]
		sum.Outstanding += len(site.Outstanding)
		sum.Created += site.Created
		sum.Released += site.Released
		got[site.Kind] = sum
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("wrong sums (-want +got):\n%s%s", diff, render(shot))
	}
}

// checkKinds compares the sums of all sites of each kind, and what is outstanding.
func (s *session) checkKinds(shot *tracer.Snapshot, told truth, want map[tracer.Kind]tally) {
	s.t.Helper()
	s.checkSums(shot, want)
	ids := idsOf(told)
	for kind := range want {
		s.checkIDs(string(kind), ofKind(shot, kind), numberOf, ids[kind])
	}
}

// idsOf lists what a program says is outstanding.
func idsOf(told truth) map[tracer.Kind][]int {
	return map[tracer.Kind][]int{
		tracer.Zombie: told.ZombiePIDs, tracer.Thread: slices.Concat(told.ThreadTIDs, told.TIDs),
		tracer.UnjoinedThread: told.UnjoinedTIDs, tracer.CloseWait: told.Ports,
	}
}

// numberOf is what programs name an object by.
func numberOf(o tracer.Object) int {
	if o.Socket != nil {
		return byPort(o)
	}
	return byID(o)
}
