package verdict

import (
	"math"
	"testing"
	"time"
)

func values(counts ...float64) (out []value) {
	for i, n := range counts {
		out = append(out, value{time.Duration(i) * time.Second, n})
	}
	return out
}

func TestTrend(t *testing.T) {
	tests := map[string]struct {
		counts   []float64
		z, slope float64
	}{
		"none":        {nil, 0, 0},
		"one":         {[]float64{5}, 0, 0},
		"flat":        {[]float64{4, 4, 4, 4}, 0, 0},
		"linear":      {[]float64{0, 2, 4, 6, 8, 10, 12, 14}, 3.341, 2},
		"falling":     {[]float64{8, 6, 4, 2, 0}, -2.205, -2},
		"one outlier": {[]float64{0, 1, 2, 90, 4, 5, 6}, 2.103, 1},
		"one burst":   {[]float64{0, 0, 0, 0, 0, 0, 50}, 1.25, 0},
		"up and down": {[]float64{1, 2, 1, 2, 1, 2, 1, 2}, 0.433, 0},
		"with ties":   {[]float64{10, 22, 21, 30, 22, 30, 40, 40}, 2.533, 3.9},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := values(tt.counts...)
			if z := mannKendall(v); math.Abs(z-tt.z) > 0.001 {
				t.Errorf("Z %.4f, want %v", z, tt.z)
			}
			if s := sen(v); s != tt.slope {
				t.Errorf("slope %v, want %v", s, tt.slope)
			}
		})
	}
}

func TestPearson(t *testing.T) {
	tests := map[string]struct {
		x, y     []float64
		r, slope float64
	}{
		"none":     {nil, nil, 0, 0},
		"constant": {[]float64{1, 1, 1}, []float64{1, 2, 3}, 0, 0},
		"same":     {[]float64{1, 2, 3}, []float64{2, 4, 6}, 1, 2},
		"opposite": {[]float64{1, 2, 3}, []float64{3, 2, 1}, -1, -1},
		"half":     {[]float64{1, 2, 3}, []float64{1, 3, 2}, 0.5, 0.5},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if r, slope := pearson(tt.x, tt.y); math.Abs(r-tt.r) > 1e-9 || math.Abs(slope-tt.slope) > 1e-9 {
				t.Errorf("got %v, %v", r, slope)
			}
		})
	}
}

func TestLifetimes(t *testing.T) {
	tests := map[string]struct {
		lived []time.Duration // each a hundred times, the last one once
		want  time.Duration
	}{
		"none":      {nil, 0},
		"one":       {[]time.Duration{time.Second}, 0},
		"all alike": {[]time.Duration{time.Second, time.Second}, time.Second},
		"few long":  {[]time.Duration{time.Second, time.Hour}, 1024 * time.Millisecond},
		"tiny":      {[]time.Duration{0, 0}, 0},
		"huge":      {[]time.Duration{1 << 62, 1 << 62}, shortest << 40},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var l lifetimes
			for i, d := range tt.lived {
				n := uint64(100)
				if i == len(tt.lived)-1 {
					n = 1
				}
				l.add(d, n)
			}
			if got := l.usual(); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// That few died may have been luck, but only so many would have.
func TestTurnover(t *testing.T) {
	tests := map[string]struct {
		died uint32
		rate float64 // of deaths, a second, in the whole run
		want float64
	}{
		"none ever":         {0, 0, 0},
		"none, by luck":     {0, 1. / 200, 5},
		"none, by no luck":  {0, 1, 8},
		"more than usual":   {20, 1. / 200, 20},
		"fewer than usual":  {4, 1. / 50, 20},
		"fewer, by no luck": {4, 1, 20},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h, r := New(start, time.Second), &record{}
			for i := range 11 {
				h.axis.add(time.Duration(i) * 10 * time.Second)
				r.points = append(r.points, stretch{point: &point{before: 10}})
			}
			r.points[5].died[0] = tt.died
			r.died[0], r.exposure[0] = uint64(tt.rate*1e6), 1e6
			if _, got := h.turnover(r, 0, climb{from: 0}); math.Abs(got-tt.want) > 1e-6 {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
