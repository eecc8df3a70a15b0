package verdict

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

func TestCounts(t *testing.T) {
	counts := func(lives []life, run, interval float64) []Count {
		sites := watch(tracer.Thread, lives, run, interval, 10).Sites()
		return sites[0].Counts
	}
	s := func(n float64) time.Duration { return seconds(n) }

	// Of what does not change the ends tell all.
	pool := append(pool(3, 0), life{born: 2, end: 5})
	want := []Count{{s(1), 3}, {s(2), 4}, {s(4), 4}, {s(5), 3}, {s(10), 3}}
	if diff := cmp.Diff(want, counts(pool, 10, 1)[1:]); diff != "" {
		t.Errorf("a pool (-want +got):\n%s", diff)
	}

	// A long run has as few, over all of it, and no count is made up.
	leak := counts(rate(0, 1_000, 1, forever), 1_000, 1)
	if len(leak) < maxCounts/3 || len(leak) > maxCounts {
		t.Errorf("%d counts of a long run", len(leak))
	}
	for i, c := range leak {
		if d := c.N - int(c.At/time.Second); d < -1 || d > 1 {
			t.Errorf("%d objects after %v", c.N, c.At)
		}
		if i > 0 && c.At <= leak[i-1].At {
			t.Errorf("%v after %v", c.At, leak[i-1].At)
		}
	}
	if last := leak[len(leak)-1].At; last != s(1_000) {
		t.Errorf("the last count is of %v", last)
	}
}
