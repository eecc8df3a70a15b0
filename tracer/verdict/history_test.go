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
		// Every snapshot has one site that lives on, an empty one and one of a
		// moment, neither of them seen again.
		h.Add(&tracer.Snapshot{
			Time: start.Add(time.Duration(i) * time.Second),
			Sites: []tracer.Site{
				{Kind: tracer.Zombie, Fingerprint: "stays", Outstanding: make([]tracer.Object, 1)},
				{Kind: tracer.Zombie, Fingerprint: fmt.Sprint(i)},
				{Kind: tracer.Thread, Fingerprint: fmt.Sprint(i), Outstanding: []tracer.Object{{Kind: tracer.Thread, ID: i}}},
			},
		})
		if n := len(h.axis.ends); n > 180 || len(h.records) > maxEmpty+2 || len(h.objects) > 2 {
			t.Fatalf("after %d snapshots: %d points, %d sites, %d objects", i+1, n, len(h.records), len(h.objects))
		}
	}
	for k, r := range h.records {
		if len(r.points) > len(h.axis.ends) || (k.fingerprint == "stays" && len(r.points) < len(h.axis.ends)) {
			t.Errorf("%v has %d points of %d", k, len(r.points), len(h.axis.ends))
		}
	}
	if n := h.axis.snapshots(); n != 10_000 {
		t.Errorf("%d snapshots", n)
	}
}

// Two calls in one function share a fingerprint; the one that holds more is
// the one to show.
func TestSitesOfOneFingerprintAreMerged(t *testing.T) {
	object := func(id int, age time.Duration) tracer.Object {
		return tracer.Object{Kind: tracer.Zombie, ID: id, Since: start.Add(-age), BeforeTracing: true}
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
		Assumed: "that nobody reaps in rounds of more than 10s",
		Past:    2, Oldest: 30 * time.Second,
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
