package tracer

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpaceFind(t *testing.T) {
	s := &space{mappings: []mapping{{start: 0x1000, end: 0x2000}, {start: 0x2000, end: 0x3000}, {start: 0x5000, end: 0x6000}}}
	tests := []struct {
		pc   uint64
		want *mapping
	}{
		{0xfff, nil},
		{0x1000, &s.mappings[0]},
		{0x1fff, &s.mappings[0]},
		{0x2000, &s.mappings[1]},
		{0x3000, nil},
		{0x5fff, &s.mappings[2]},
		{0x6000, nil},
	}
	for _, test := range tests {
		if got := s.find(test.pc); got != test.want {
			t.Errorf("%#x: got %v, want %v", test.pc, got, test.want)
		}
	}
}

func TestTally(t *testing.T) {
	var n tally
	steps := []struct {
		name                             string
		counted, since, present, held    uint64
		created, released, ended, joined uint64
	}{
		{"ten born", 10, 0, 10, 0, 10, 0, 0, 0},
		{"one born while the objects were read, and seen", 10, 1, 11, 0, 11, 0, 0, 0},
		{"four end, three of them held", 11, 0, 7, 3, 11, 4, 4, 1},
		{"one ends while the objects were read: still listed, and held already", 11, 0, 7, 4, 11, 4, 5, 1},
		{"all joined", 11, 0, 6, 0, 11, 5, 5, 5},
		{"three that show are not counted yet", 11, 0, 9, 0, 14, 5, 5, 5},
	}
	for _, step := range steps {
		n.counted = step.counted
		n.update(step.since, step.present, step.held)
		want := tally{counted: step.counted, created: step.created, released: step.released, ended: step.ended, joined: step.joined}
		if diff := cmp.Diff(want, n, cmp.AllowUnexported(tally{})); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
}
