package verdict

import (
	"fmt"
	"math"
	"math/rand/v2"
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

// A service whose sites are ever new ones keeps the history of a bounded number: of
// those that hold something, and of the others the latest.
func TestRecordsAreBounded(t *testing.T) {
	for name, tt := range map[string]struct {
		history   *History
		perSecond int
		want      int
	}{
		"a run":              {New(start, time.Second), 200, maxRecords},
		"a watch":            {NewWatch(start, time.Second), 200, maxRecords},
		"few sites of a run": {New(start, time.Second), 1, 121},
		"few of a watch":     {NewWatch(start, time.Second), 1, watchEmpty + 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := tt.history
			process := tracer.ProcessActivity{Process: tracer.Process{PID: 7, Start: 1}}
			site := func(fingerprint string, id int) tracer.Site {
				return tracer.Site{Kind: tracer.Thread, Fingerprint: fingerprint, Outstanding: []tracer.Object{
					{Kind: tracer.Thread, ID: id, Owner: process.Process},
				}}
			}
			for i := range 120 {
				s := &tracer.Snapshot{Time: start.Add(time.Duration(i) * time.Second), Processes: []tracer.ProcessActivity{process}}
				s.Sites = append(s.Sites, site("stays", -1))
				for j := range tt.perSecond {
					s.Sites = append(s.Sites, site(fmt.Sprintf("%d of %d", j, i), i*tt.perSecond+j))
				}
				h.Add(s)
				h.Sites()
			}
			if len(h.records) != tt.want {
				t.Errorf("%d records, want %d", len(h.records), tt.want)
			}
			stays, latest := h.records[key{tracer.Thread, "stays"}], h.records[key{tracer.Thread, "0 of 118"}]
			if stays == nil || len(stays.points) != len(h.axis.ends) || latest == nil {
				t.Errorf("kept %v of the site that stays, %v of one of a moment ago", stays, latest)
			}
		})
	}
}

// Sites that hold something are judged, however many they are.
func TestManySites(t *testing.T) {
	h := NewWatch(start, time.Second)
	s := &tracer.Snapshot{Time: start}
	for i := range maxRecords + 100 {
		s.Sites = append(s.Sites, tracer.Site{Kind: tracer.Zombie, Fingerprint: fmt.Sprint(i), Outstanding: []tracer.Object{
			{Kind: tracer.Zombie, ID: i + 1, BeforeTracing: true, Since: start.Add(-time.Hour)},
		}})
	}
	h.Add(s)
	for _, site := range h.Sites() {
		if site.State != Leaking {
			t.Fatalf("%s is %s: %s", site.Fingerprint, site.State, site.Reason)
		}
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
		Seen:    start, Past: 2, Oldest: 30 * time.Second, Counts: []Count{{0, 3}},
	}, {
		Site:  tracer.Site{Kind: tracer.Thread, Fingerprint: "f"},
		State: Steady, Reason: "nothing outstanding", Seen: start,
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

// Points are folded as they recede, alike for every site, and keep what counts.
func TestFolding(t *testing.T) {
	const n = 1000
	whole, late := make(series, 0), make(series, 0)
	a := axis{}
	for i := range n {
		folds := a.add(time.Duration(i+1) * time.Second)
		p := point{low: uint32(i % 7), high: uint32(i % 7), last: uint32(i % 7), released: 1}
		p.survivors[3], p.died[3] = uint32(100+i), 1
		whole = whole.add(p, deeds{1: 3}, len(a.ends)+len(folds), folds)
		if i >= 700 {
			late = late.add(p, deeds{1: 3}, len(a.ends)+len(folds), folds)
		}
	}
	if len(whole) != len(a.ends) || len(late) >= len(whole) {
		t.Fatalf("%d and %d points on an axis of %d", len(whole), len(late), len(a.ends))
	}
	want := stretch{&point{low: 0, high: 6, last: (n - 1) % 7, released: n}, deeds{1: 3 * n}}
	want.survivors[3], want.died[3] = 100, n
	if diff := gocmp.Diff(want, foldAll(whole), gocmp.AllowUnexported(point{}, stretch{})); diff != "" {
		t.Error(diff)
	}
	if got := foldAll(late); got.released != 300 || got.died[3] != 300 {
		t.Errorf("%d released, %d died", got.released, got.died[3])
	}
	at := 0
	for i, span := range a.spans {
		at += span
		if a.ends[i] != time.Duration(at)*time.Second {
			t.Errorf("point %d ends after %v, want %d snapshots", i, a.ends[i], at)
		}
		if i > 0 && span > a.spans[i-1] {
			t.Errorf("point %d covers %d snapshots, the older one %d", i, span, a.spans[i-1])
		}
	}
	if recent := a.spans[len(a.spans)-level:]; recent[0] != 1 {
		t.Errorf("the last %d points cover %v snapshots", level, recent)
	}
}

func foldAll(s series) stretch {
	all := s[0]
	for _, p := range s[1:] {
		all = fold(all, p)
	}
	return all
}

// What the tracer shows comes from processes that nobody trusts.
func TestStrangeSnapshots(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	anyTime := func() time.Time {
		return []time.Time{{}, start, start.Add(time.Hour), time.Unix(1<<60, 0), time.Unix(-1<<60, 0)}[r.IntN(5)]
	}
	h := New(start, 0)
	for range 2000 {
		s := &tracer.Snapshot{Time: anyTime()}
		for range r.IntN(4) {
			s.Processes = append(s.Processes, tracer.ProcessActivity{
				Process: tracer.Process{PID: r.IntN(3)}, Activity: tracer.Activity{Accepted: r.Uint64()},
			})
		}
		for range r.IntN(5) {
			kind := append(tracer.Kinds(), "unheard-of")[r.IntN(5)]
			site := tracer.Site{Kind: kind, Fingerprint: fmt.Sprint(r.IntN(2)), Created: r.Uint64(), Released: r.Uint64()}
			for range r.IntN(20) {
				o := tracer.Object{Kind: kind, ID: r.IntN(9) - 1, Created: anyTime(), Since: anyTime(), BeforeTracing: r.IntN(2) == 0}
				if r.IntN(2) == 0 {
					o.Socket = &tracer.SocketInfo{LastUsed: anyTime(), Holders: make([]tracer.Holder, r.IntN(3))}
				}
				site.Outstanding = append(site.Outstanding, o)
			}
			s.Sites = append(s.Sites, site)
		}
		h.Add(s)
		for _, site := range h.Sites() {
			if site.Past > len(site.Outstanding) || site.Oldest < 0 || math.IsNaN(site.GrowthPerS) || site.Reason == "" {
				t.Fatalf("%+v", site)
			}
		}
		h.Pending()
	}
}

// The demo: the first snapshots are closer, and the last one is out of step.
func TestFirstSnapshotsOfARun(t *testing.T) {
	for _, offset := range []float64{0, 0.2, 0.45, 0.7, 0.95} {
		leak := rate(0, 15, 1, forever)
		for i := range leak {
			leak[i].born += offset - 0.5
		}
		for name, want := range map[string]State{"leak": Leaking, "pool": Steady} {
			lives := pool(4, 0.1+offset)
			if name == "leak" {
				lives = leak
			}
			h := New(start, 3*time.Second)
			at, next := 0.0, 0.05
			for ; at < 15; at, next = at+next, min(2*next, 1) {
				h.Add(snapshotAt(tracer.Thread, lives, at))
			}
			h.Add(snapshotAt(tracer.Thread, lives, 15))
			if s := h.Sites()[0]; s.State != want {
				t.Errorf("%s at %v: %s, %s", name, offset, s.State, s.Reason)
			}
		}
	}
}
