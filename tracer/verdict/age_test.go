package verdict

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

func TestAgeAccuses(t *testing.T) {
	kinds := map[tracer.Kind]string{
		tracer.Zombie:         "reaped",
		tracer.UnjoinedThread: "joined",
		tracer.CloseWait:      "closed",
	}
	tests := map[string]struct {
		lives []life
		run   float64
		want  judgement // with VERB for the kind's
	}{
		"old":            {[]life{{1, forever}}, 15, judgement{Leaking, 1, "1 of 1 not VERB for 10s or longer"}},
		"old and young":  {rate(0, 15, 1, forever), 15, judgement{Leaking, 5, "5 of 15 not VERB for 10s or longer"}},
		"before tracing": {[]life{{-3600, forever}}, 0, judgement{Leaking, 1, "1 of 1 not VERB for 10s or longer"}},
		"exactly":        {[]life{{5, forever}}, 15, judgement{Leaking, 1, "1 of 1 not VERB for 10s or longer"}},
		"young":          {[]life{{6, forever}}, 15, judgement{Steady, 0, "all younger than 10s"}},
		"short run":      {[]life{{-1, 3}, {0, forever}}, 5, judgement{Unknown, 0, "all younger than 10s"}},
		"old but gone":   {[]life{{1, 14}}, 15, judgement{Steady, 0, "nothing outstanding"}},

		"reaped once a minute, first round": {rounds(1, 4*minute, minute), 50, judgement{Leaking, 40, "40 of 50 not VERB for 10s or longer"}},
		"reaped once a minute, third round": {rounds(1, 4*minute, minute), 170, judgement{Steady, 40, "usually VERB within 59s"}},
		"reaped once a minute, one forgotten": {append(rounds(1, 6*minute, minute), life{70, forever}), 290,
			judgement{Leaking, 41, "1 of 51 not VERB for 1m58s or longer"}},
		"one of many given back late": {append(pool(20, 5), life{5, 100}), 3 * minute,
			judgement{Leaking, 20, "20 of 20 not VERB for 10s or longer"}},
		"many given back late, more stay": {append(pool(40, 5), drain(5, 30, 60, 1)...), 3 * minute,
			judgement{Leaking, 40, "40 of 40 not VERB for 10s or longer"}},
		"burst that is given back":         {drain(5, 100, 30, 1), 80, judgement{Draining, 49, "falls from 100 to 49"}},
		"burst from before, given back":    {drain(-60, 100, 10, 1), 80, judgement{Draining, 29, "falls from 100 to 29"}},
		"burst whose rest is not":          {append(drain(5, 50, 30, 1), pool(51, 5)...), 4 * minute, judgement{Leaking, 51, "51 of 51 not VERB for 10s or longer"}},
		"churn of short waits":             {churn(9, 5*minute, 5, 2), 5 * minute, judgement{Steady, 0, "all younger than 10s"}},
		"leak under churn of short waits":  {append(churn(9, 5*minute, 5, 1), life{100, forever}), 5 * minute, judgement{Leaking, 1, "1 of 8 not VERB for 10s or longer"}},
		"waits a little longer than usual": {rate(0, 5*minute, 1, 14), 5 * minute, judgement{Steady, 4, "usually VERB within 14s"}},
	}
	for kind, verb := range kinds {
		for name, tt := range tests {
			t.Run(string(kind)+"/"+name, func(t *testing.T) {
				got := judgements(watch(kind, tt.lives, tt.run, 1, 10).Sites())
				want := tt.want
				want.Reason = strings.Replace(want.Reason, "VERB", verb, 1)
				if diff := gocmp.Diff([]judgement{want}, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// rounds creates perS objects a second, all given back once a period.
func rounds(perS, run, period float64) []life { return sawtooth(run, period, perS) }

// A socket that is still written to after the peer has closed its side is in
// use: the connection is half-closed.
func TestSocketInUse(t *testing.T) {
	tests := map[string]struct {
		lastUsed func(at float64) float64 // 0 for never
		run      float64
		want     judgement
	}{
		"never used":    {func(float64) float64 { return 0 }, minute, judgement{Leaking, 1, "1 of 1 not closed for 10s or longer"}},
		"streams":       {func(at float64) float64 { return at }, minute, judgement{Steady, 1, "in use: read or written within 10s"}},
		"used at times": {func(at float64) float64 { return at - float64(int(at)%9) }, minute, judgement{Steady, 1, "in use: read or written within 10s"}},
		"just stopped":  {func(at float64) float64 { return min(at, 55) }, minute, judgement{Steady, 1, "in use: read or written within 10s"}},
		"stopped":       {func(at float64) float64 { return min(at, 50) }, minute, judgement{Leaking, 1, "1 of 1 not closed for 10s or longer"}},
		"used before":   {func(float64) float64 { return 2 }, 13, judgement{Leaking, 1, "1 of 1 not closed for 10s or longer"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(start, seconds(10))
			for at := 0.0; at <= tt.run; at++ {
				s := snapshotAt(tracer.CloseWait, pool(1, 3), at)
				for i := range s.Sites {
					socket := &tracer.SocketInfo{}
					if used := tt.lastUsed(at); used > 0 {
						socket.LastUsed = start.Add(seconds(used))
					}
					s.Sites[i].Outstanding[0].Socket = socket
				}
				h.Add(s)
			}
			if diff := gocmp.Diff([]judgement{tt.want}, judgements(h.Sites())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// When another site takes the blame for a socket, its age goes with it.
func TestSocketChangesSite(t *testing.T) {
	h := New(start, seconds(10))
	for at := range 31 {
		s := snapshotAt(tracer.CloseWait, slices.Concat(pool(3, 1)), float64(at))
		for i := range s.Sites {
			for j := range s.Sites[i].Outstanding {
				s.Sites[i].Outstanding[j].Socket = &tracer.SocketInfo{}
			}
			if at >= 25 {
				s.Sites[i].Fingerprint = "borrower"
			}
		}
		h.Add(s)
	}
	want := []judgement{{Leaking, 3, "3 of 3 not closed for 10s or longer"}}
	if diff := gocmp.Diff(want, judgements(h.Sites())); diff != "" {
		t.Error(diff)
	}
	if lives := h.records[key{tracer.CloseWait, "f"}].lives.total; lives != 0 {
		t.Errorf("%d sockets seen to be closed", lives)
	}
}

func TestPending(t *testing.T) {
	alive := []tracer.ProcessActivity{{Process: tracer.Process{PID: 7, Start: 1}}}
	tests := map[string]struct {
		kind    tracer.Kind
		lives   []life
		run     float64
		process func(at float64) []tracer.ProcessActivity
		want    bool
	}{
		"nothing":           {tracer.Zombie, nil, 5, nil, false},
		"young":             {tracer.Zombie, pool(1, 1), 5, nil, true},
		"young thread":      {tracer.Thread, pool(1, 1), 5, nil, true},
		"old":               {tracer.Zombie, pool(1, 1), 15, nil, false},
		"old and young":     {tracer.Zombie, append(pool(1, 1), pool(1, 12)...), 15, nil, true},
		"waits for a round": {tracer.Zombie, rounds(1, 5*minute, minute), 170, nil, true},
		"young, held": {tracer.Zombie, pool(1, 1), 5,
			func(float64) []tracer.ProcessActivity { return alive }, true},
		"young, of an ended process": {tracer.Thread, pool(1, 1), 5,
			func(at float64) []tracer.ProcessActivity { return alive[:int(max(0, min(1, 5-at)))] }, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(start, seconds(10))
			for at := 0.0; at <= tt.run; at++ {
				s := snapshotAt(tt.kind, tt.lives, at)
				for i := range s.Sites {
					for j := range s.Sites[i].Outstanding {
						s.Sites[i].Outstanding[j].Owner = alive[0].Process
					}
				}
				if tt.process != nil {
					s.Processes = tt.process(at)
				}
				h.Add(s)
			}
			if got := h.Pending(); got != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// An object is known by its number only as long as it is the same.
func TestIdentity(t *testing.T) {
	tests := map[string]struct {
		object func(at, i int) (tracer.Object, bool)
		past   int
		ended  uint64
	}{
		"one that stays": {func(_, i int) (tracer.Object, bool) { return tracer.Object{ID: 7, Created: start}, i == 0 }, 1, 0},
		"a reused number": {func(at, i int) (tracer.Object, bool) {
			return tracer.Object{ID: 7, Created: start.Add(seconds(float64(at / 5 * 5)))}, i == 0
		}, 0, 5},
		"three never accepted, one closed": {func(at, i int) (tracer.Object, bool) {
			s := &tracer.SocketInfo{Remote: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(i))}
			return tracer.Object{Created: start, Socket: s}, i < 3 && (i > 0 || at < 20)
		}, 2, 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(start, seconds(10))
			for at := range 28 {
				site := tracer.Site{Kind: tracer.CloseWait, Fingerprint: "f"}
				for i := range 4 {
					if o, ok := tt.object(at, i); ok {
						o.Since = o.Created
						site.Outstanding = append(site.Outstanding, o)
					}
				}
				h.Add(&tracer.Snapshot{Time: start.Add(seconds(float64(at))), Sites: []tracer.Site{site}})
			}
			if got := h.Sites()[0].Past; got != tt.past {
				t.Errorf("%d past min-age, want %d", got, tt.past)
			}
			if got := h.records[key{tracer.CloseWait, "f"}].lives.total; got != tt.ended {
				t.Errorf("%d ended, want %d", got, tt.ended)
			}
		})
	}
}
