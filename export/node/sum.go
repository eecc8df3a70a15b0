package node

import (
	"cmp"
	"slices"
)

// maxDormant is how many sources are remembered that count no longer. A scope comes
// back when its program runs again; one that was forgotten meanwhile is taken for new.
const maxDormant = 16_384

// counter adds up what several sources have counted under one label. A sum does
// not fall while its label is in use, whatever ends, restarts or changes its label,
// and nothing is in it twice.
type counter[S, L comparable] struct {
	sources map[S]*counted[L]
	past    map[L]uint64 // of sources that have left the label, or are forgotten
	round   uint64
}

// counted is what a source has counted.
type counted[L comparable] struct {
	label L
	last  uint64 // what it said last
	n     uint64 // what it counted under its label
	round uint64 // when it was set
	// left is the label of the round before if that was another, and leaves what was
	// counted under it.
	left   *L
	leaves uint64
}

func newCounter[S, L comparable]() *counter[S, L] {
	return &counter[S, L]{sources: make(map[S]*counted[L]), past: make(map[L]uint64)}
}

// set says what a source has counted so far. One that comes back with less than it
// had counted began anew; of one that was there all the time some was forgotten.
func (c *counter[S, L]) set(source S, label L, n uint64) {
	known := c.sources[source]
	if known == nil {
		known = &counted[L]{label: label, round: c.round}
		c.sources[source] = known
	}
	if known.label != label {
		left := known.label
		known.label, known.n, known.left, known.leaves = label, 0, &left, known.n
	}
	if known.round+1 < c.round && n < known.last {
		known.last = 0
	}
	if n > known.last {
		known.n += n - known.last
		known.last = n
	}
	known.round = c.round
}

// finish ends a round: labels that were not set in it are not in use. It returns the
// sums of those that are.
func (c *counter[S, L]) finish() map[L]uint64 {
	sums := make(map[L]uint64)
	for _, s := range c.sources {
		if s.round == c.round {
			sums[s.label] = 0
		}
	}
	for _, s := range c.sources {
		c.settle(s, sums)
	}
	c.forget(sums)
	for _, s := range c.sources {
		sums[s.label] += s.n
	}
	for label, n := range c.past {
		if _, used := sums[label]; used {
			sums[label] += n
		} else {
			delete(c.past, label)
		}
	}
	c.round++
	return sums
}

// settle leaves what a source has counted with the label that it had, or takes it
// along if that is no longer in use.
func (c *counter[S, L]) settle(s *counted[L], used map[L]uint64) {
	if s.left == nil {
		return
	}
	if _, stays := used[*s.left]; stays {
		c.past[*s.left] += s.leaves
	} else {
		s.n += s.leaves
	}
	s.left = nil
}

// forget lets go of the sources whose label is not in use, and of those that have
// been dormant for longest where there are too many.
func (c *counter[S, L]) forget(used map[L]uint64) {
	var dormant []S
	for source, s := range c.sources {
		if _, use := used[s.label]; !use {
			delete(c.sources, source)
		} else if s.round != c.round {
			dormant = append(dormant, source)
		}
	}
	if len(dormant) <= maxDormant {
		return
	}
	slices.SortFunc(dormant, func(a, b S) int { return cmp.Compare(c.sources[a].round, c.sources[b].round) })
	for _, source := range dormant[:len(dormant)-maxDormant] {
		c.past[c.sources[source].label] += c.sources[source].n
		delete(c.sources, source)
	}
}
