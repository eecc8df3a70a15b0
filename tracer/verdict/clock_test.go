package verdict

import (
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

func TestClock(t *testing.T) {
	s := time.Second
	tests := map[string]struct {
		at, want []float64
	}{
		"regular":                {[]float64{0, 1, 2, 3}, []float64{0, 1, 2, 3}},
		"first ones faster":      {[]float64{0, .05, .15, .35, .75, 1.55, 2.55, 3.55}, []float64{0, .05, .15, .35, .75, 1.55, 2.55, 3.55}},
		"back":                   {[]float64{0, 1, 2, -3600, -3599, -3598}, []float64{0, 1, 2, 2, 3, 4}},
		"back and ahead":         {[]float64{0, 1, 2, 3, -3600, -3599, 5, 6}, []float64{0, 1, 2, 3, 3, 4, 5, 6}},
		"suspended":              {[]float64{0, 1, 2, 3, 4, 3604, 3605}, []float64{0, 1, 2, 3, 4, 5, 6}},
		"late once":              {[]float64{0, 1, 2, 3, 4, 9, 10}, []float64{0, 1, 2, 3, 4, 9, 10}},
		"long from the start":    {[]float64{0, 60, 120, 180}, []float64{0, 60, 120, 180}},
		"longer from now on":     {[]float64{0, 1, 2, 3, 4, 64, 124, 184, 244, 304}, []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 68}},
		"same time":              {[]float64{0, 1, 1, 1, 2}, []float64{0, 1, 1, 1, 2}},
		"ahead at the beginning": {[]float64{0, 1, 2, 3, 7200, 7201}, []float64{0, 1, 2, 3, 4, 5}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := clock{wall: start}
			var got []float64
			for _, at := range tt.at {
				c.advance(start.Add(seconds(at)))
				got = append(got, float64(c.now)/float64(s))
			}
			if diff := gocmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A clock that jumps makes nothing old and lets nothing grow.
func TestClockThatJumps(t *testing.T) {
	tests := map[string]struct {
		kind   tracer.Kind
		lives  []life
		jump   float64
		after  float64 // from when on the clock is wrong
		want   judgement
		oldest time.Duration
	}{
		"young zombie, ahead": {tracer.Zombie, pool(1, 18), 3600, 20, judgement{Steady, 0, "all younger than 10s"}, 7 * time.Second},
		"young zombie, back":  {tracer.Zombie, pool(1, 18), -3600, 20, judgement{Steady, 0, "all younger than 10s"}, 6 * time.Second},
		"old zombie, back":    {tracer.Zombie, pool(1, 5), -3600, 20, judgement{Leaking, 1, "1 of 1 not reaped for 10s or longer"}, 19 * time.Second},
		"pool, ahead":         {tracer.Thread, pool(8, 3), 3600, 20, judgement{Steady, 8, "settled at 8"}, 22 * time.Second},
		"pool, back":          {tracer.Thread, pool(8, 3), -3600, 20, judgement{Steady, 8, "settled at 8"}, 21 * time.Second},
		"one new thread in an hour": {tracer.Thread, append(pool(8, 3), pool(1, 20.5)...), 3600, 20,
			judgement{Steady, 8, "moves between 0 and 9"}, 22 * time.Second},
		"many new threads in an hour": {tracer.Thread, append(pool(8, 3), pool(60, 20.5)...), 3600, 20,
			judgement{Steady, 8, "moves between 0 and 68"}, 22 * time.Second},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := New(start, seconds(10))
			for at := range 26 {
				s := snapshotAt(tt.kind, tt.lives, float64(at))
				if float64(at) > tt.after {
					s.Time = s.Time.Add(seconds(tt.jump))
				}
				h.Add(s)
			}
			site := h.Sites()[0]
			if diff := gocmp.Diff(tt.want, judgement{site.State, site.Past, site.Reason}); diff != "" {
				t.Error(diff)
			}
			if site.Oldest != tt.oldest {
				t.Errorf("oldest %v, want %v", site.Oldest, tt.oldest)
			}
		})
	}
}
