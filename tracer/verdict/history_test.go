package verdict

import (
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

func TestHistoryIsBounded(t *testing.T) {
	h := New(start, time.Second)
	for i := range 10_000 {
		// Every snapshot has one site that lives on and an empty one never
		// seen again.
		h.Add(&tracer.Snapshot{
			Time: start.Add(time.Duration(i) * time.Second),
			Sites: []tracer.Site{
				{Kind: tracer.Zombie, Fingerprint: "stays", Outstanding: make([]tracer.Object, 1)},
				{Kind: tracer.Zombie, Fingerprint: fmt.Sprint(i)},
			},
		})
		if len(h.at) > maxPoints || len(h.levels) > 1 {
			t.Fatalf("after %d snapshots: %d points, %d sites", i+1, len(h.at), len(h.levels))
		}
		for k, levels := range h.levels {
			if len(levels) != len(h.at) {
				t.Fatalf("%v has %d levels for %d points", k, len(levels), len(h.at))
			}
		}
	}
}

func TestThinningKeepsExtremes(t *testing.T) {
	h := New(start, time.Second)
	for i := range 4 * maxPoints {
		site := tracer.Site{Kind: tracer.Thread, Fingerprint: "f"}
		site.Outstanding = make([]tracer.Object, i%7)
		h.Add(&tracer.Snapshot{Time: start.Add(time.Duration(i) * time.Second), Sites: []tracer.Site{site}})
	}
	levels := h.levels[key{tracer.Thread, "f"}]
	if got, want := foldAll(levels), (level{last: 3, low: 0, high: 6}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := fallback(levels); got != 6 {
		t.Errorf("fallback %d, want 6", got)
	}
}

func TestClockThatJumpsBack(t *testing.T) {
	h := New(start, 10*time.Second)
	for _, at := range []float64{0, 1, 2, -3600, -3599, 3, 4, 5} {
		h.Add(snapshotAt(tracer.Zombie, pool(2, -7200), at))
	}
	want := []time.Duration{0, 1e9, 2e9, 2e9, 2e9, 3e9, 4e9, 5e9}
	if diff := gocmp.Diff(want, h.at); diff != "" {
		t.Error(diff)
	}
	if s := h.Sites()[0]; s.GrowthPerS != 0 || s.Past != 2 {
		t.Errorf("growth %v, %d past", s.GrowthPerS, s.Past)
	}
}

// Two calls in one function share a fingerprint; the one that holds more is
// the one to show.
func TestSitesOfOneFingerprintAreMerged(t *testing.T) {
	object := func(id int, age time.Duration) tracer.Object {
		return tracer.Object{Kind: tracer.Zombie, ID: id, Since: start.Add(-age)}
	}
	line := func(n int) tracer.Stack {
		return tracer.Stack{Frames: []symbol.Frame{{Function: "f", Line: n}}}
	}
	h := New(start, 10*time.Second)
	h.Add(&tracer.Snapshot{Time: start, Sites: []tracer.Site{
		{Kind: tracer.Zombie, Fingerprint: "f", Stack: line(10), Created: 3, Released: 2,
			Outstanding: []tracer.Object{object(1, 20*time.Second)}},
		{Kind: tracer.Thread, Fingerprint: "f"},
		{Kind: tracer.Zombie, Fingerprint: "f", Stack: line(20), Created: 9, Released: 7,
			Outstanding: []tracer.Object{object(2, 30*time.Second), object(3, time.Second)}},
	}})
	want := []Site{{
		Site: tracer.Site{
			Kind: tracer.Zombie, Fingerprint: "f", Stack: line(20), Created: 12, Released: 9,
			Outstanding: []tracer.Object{object(2, 30*time.Second), object(1, 20*time.Second), object(3, time.Second)},
		},
		State: Leaking, Reason: "2 of 3 not reaped for 10s or longer",
		Past: 2, Oldest: 30 * time.Second,
	}, {
		Site:  tracer.Site{Kind: tracer.Thread, Fingerprint: "f"},
		State: Steady, Reason: "nothing outstanding",
	}}
	if diff := gocmp.Diff(want, h.Sites()); diff != "" {
		t.Error(diff)
	}
}

func TestSitesOfEmptyHistory(t *testing.T) {
	if got := New(start, time.Second).Sites(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestSlope(t *testing.T) {
	at := []time.Duration{0, 1e9, 2e9, 3e9, 4e9, 5e9, 6e9}
	tests := map[string]struct {
		last []int
		want float64
	}{
		"none":        {nil, 0},
		"one point":   {[]int{5}, 0},
		"flat":        {[]int{4, 4, 4, 4}, 0},
		"linear":      {[]int{0, 2, 4, 6, 8}, 2},
		"falling":     {[]int{8, 6, 4, 2, 0}, -2},
		"one outlier": {[]int{0, 1, 2, 90, 4, 5, 6}, 1},
		"one burst":   {[]int{0, 0, 0, 0, 0, 0, 50}, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var levels []level
			for _, n := range tt.last {
				levels = append(levels, level{last: n})
			}
			if got := slope(at, levels); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
