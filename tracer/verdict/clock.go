package verdict

import (
	"slices"
	"time"
)

const (
	// gaps is how many intervals between snapshots tell what is usual.
	gaps = 9
	// pause is from how many usual intervals on nobody was watching: the
	// machine or the tracer was suspended, or the clock was set.
	pause = 8
)

// clock is the time during which the run was observed. A wall clock that jumps
// neither makes objects old nor lets them grow.
type clock struct {
	wall   time.Time
	now    time.Duration
	recent []time.Duration
}

// advance moves on to a snapshot taken at wall and returns by how much.
func (c *clock) advance(wall time.Time) time.Duration {
	step := max(0, wall.Sub(c.wall))
	c.wall = wall
	if step == 0 {
		return 0
	}
	seen := step
	if len(c.recent) > 2 {
		sorted := slices.Sorted(slices.Values(c.recent))
		if usual := sorted[len(sorted)/2]; step/pause > usual {
			seen = usual
		}
	}
	// What really passed is kept: who samples more slowly from now on is
	// believed after a few times.
	c.recent = append(c.recent, step)
	c.recent = c.recent[max(0, len(c.recent)-gaps):]
	c.now += seen
	return seen
}
