package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

func site(state verdict.State, ended bool, pid int, tids ...int) verdict.Site {
	s := verdict.Site{State: state, Ended: ended}
	s.Stack.Frames = make([]symbol.Frame, 1)
	for _, tid := range tids {
		s.Outstanding = append(s.Outstanding, tracer.Object{
			Kind: tracer.Thread, ID: tid, Owner: tracer.Process{PID: pid},
		})
	}
	return s
}

// What was seen of processes that have ended stays, all else is looked at anew.
func TestInspectionKeepsTheEnded(t *testing.T) {
	before := inspection{
		parked: []tracer.Parked{{Threads: []int{11, 12, 13, 21, 22}}, {Threads: []int{21}}, {Running: true, Threads: []int{14}}},
		limits: map[int][]limit.Limit{10: {{Name: "ended"}}, 20: {{Name: "old"}}, 30: {{Name: "forgotten"}}},
	}
	of := subjectsOf([]verdict.Site{
		site(verdict.Leaking, true, 10, 11, 12, 14, 22),
		site(verdict.Leaking, false, 20, 21, 22),
		site(verdict.Steady, false, 40, 41),
	})
	got := inspection{before.parkedOf(of, []tracer.Parked{{Threads: []int{21}}}), before.limitsOf(of, map[int][]limit.Limit{20: {{Name: "new"}}})}
	want := inspection{
		parked: []tracer.Parked{{Threads: []int{11, 12}}, {Running: true, Threads: []int{14}}},
		limits: map[int][]limit.Limit{10: {{Name: "ended"}}, 20: {{Name: "new"}}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(inspection{})); diff != "" {
		t.Error(diff)
	}
	var looked []int
	for _, o := range of.threads {
		looked = append(looked, o.ID)
	}
	owners := map[int]tracer.Process{20: {PID: 20}, 40: {PID: 40}}
	if diff := cmp.Diff([]int{21, 22}, looked) + cmp.Diff(owners, of.owners); diff != "" {
		t.Error(diff)
	}
}

// The snapshot is up to a second older than the look: what has ended in between is
// known to nobody as ended, and cannot be looked at any more.
func TestInspectionKeepsWhatEndsMeanwhile(t *testing.T) {
	before := inspection{
		parked: []tracer.Parked{{Threads: []int{11, 12, 13}}, {Threads: []int{21}}},
		limits: map[int][]limit.Limit{10: {{Name: "of one that ended"}}, 20: {{Name: "old"}}, 30: {{Name: "forgotten"}}},
	}
	of := subjectsOf([]verdict.Site{
		site(verdict.Leaking, false, 10, 11, 12),
		site(verdict.Leaking, false, 20, 21),
	})
	found := []tracer.Parked{{Running: true, Threads: []int{12, 21}}}
	got := inspection{before.parkedOf(of, found), before.limitsOf(of, map[int][]limit.Limit{20: {{Name: "new"}}})}
	want := inspection{
		parked: []tracer.Parked{{Threads: []int{11}}},
		limits: map[int][]limit.Limit{10: {{Name: "of one that ended"}}, 20: {{Name: "new"}}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(inspection{})); diff != "" {
		t.Error(diff)
	}
}
