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
		name                                 string
		counted, since, present, held, taken uint64
		created, released, ended, joined     uint64
	}{
		{"ten born", 10, 0, 10, 0, 0, 10, 0, 0, 0},
		{"one born while the objects were read, and seen", 10, 1, 11, 0, 0, 11, 0, 0, 0},
		{"four end, three of them held", 11, 0, 7, 3, 0, 11, 4, 4, 1},
		{"one ends while the objects were read: still listed, and held already", 11, 0, 7, 4, 0, 11, 4, 5, 1},
		{"two joined, and two go with their process", 11, 0, 6, 0, 2, 11, 5, 5, 3},
		{"three that show are not counted yet", 11, 0, 9, 0, 0, 14, 5, 5, 3},
		{"all end, and one is held", 14, 0, 0, 1, 0, 14, 14, 14, 11},
		{"it goes as well", 14, 0, 0, 0, 1, 14, 14, 14, 11},
	}
	var taken uint64
	for _, step := range steps {
		n.counted = step.counted
		taken += step.taken
		n.update(step.since, step.present, step.held, step.taken)
		want := tally{
			counted: step.counted, created: step.created, released: step.released,
			ended: step.ended, joined: step.joined, taken: taken,
		}
		if diff := cmp.Diff(want, n, cmp.AllowUnexported(tally{})); diff != "" {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	n.settle()
	if n.joined != 11 || n.ended != 14 {
		t.Errorf("with nothing left %d of %d are joined, want 11 of 14", n.joined, n.ended)
	}
}
