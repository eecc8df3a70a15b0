package verdict

import (
	"math"
	"testing"
	"time"
)

func TestTimeToFull(t *testing.T) {
	tests := map[string]struct {
		used, max uint64
		perS      float64
		want      time.Duration
		ok        bool
	}{
		"in two hours":    {312, 1024, 0.1, 7120 * time.Second, true},
		"full":            {1024, 1024, 1, 0, true},
		"more than full":  {2000, 1024, -1, 0, true},
		"does not grow":   {1, 10, 0, 0, false},
		"shrinks":         {1, 10, -1, 0, false},
		"not a number":    {1, 10, math.NaN(), 0, false},
		"at once":         {1, 10, math.Inf(1), 0, true},
		"not in our time": {1, math.MaxUint64, 1e-3, 0, false},
		"just too long":   {0, 1 << 63, 1e9, 0, false},
		"tiny growth":     {1, 10, math.SmallestNonzeroFloat64, 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := TimeToFull(tt.used, tt.max, tt.perS); got != tt.want || ok != tt.ok {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}
