package node

import (
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
)

// counter adds up what several sources have counted under one label. A sum does
// not fall while its label is in use, whatever ends, restarts or changes its label.
type counter[S, L comparable] struct {
	sources map[S]*counted[L]
	past    map[L]uint64 // of sources that have left the label
	round   uint64
}

// counted is what a source has counted last.
type counted[L comparable] struct {
	label L
	n     uint64
	round uint64
}

func newCounter[S, L comparable]() *counter[S, L] {
	return &counter[S, L]{sources: make(map[S]*counted[L]), past: make(map[L]uint64)}
}

// set says what a source has counted so far.
func (c *counter[S, L]) set(source S, label L, n uint64) {
	known := c.sources[source]
	if known == nil {
		known = &counted[L]{label: label}
		c.sources[source] = known
	}
	if known.label != label {
		c.past[known.label] += known.n
		known.label = label
	}
	known.n, known.round = max(known.n, n), c.round
}

// finish ends a round: who was not set in it has ended. It returns the sums.
func (c *counter[S, L]) finish() map[L]uint64 {
	sums := make(map[L]uint64)
	for source, known := range c.sources {
		if known.round != c.round {
			c.past[known.label] += known.n
			delete(c.sources, source)
			continue
		}
		sums[known.label] += known.n
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

// kindOf is a scope or a label with a kind.
type kindOf[T comparable] struct {
	of   T
	kind tracer.Kind
}

// causeOf is a cgroup or a container with why it was refused something.
type causeOf[T comparable] struct {
	of    T
	cause string
}

// sums is everything that is counted since tracing began.
type sums struct {
	created, released *counter[kindOf[tracer.Scope], kindOf[Label]]
	refused           *counter[causeOf[string], causeOf[workload.Workload]]
	// lost is high-water marks: some losses are of one snapshot.
	lost map[string]uint64
}

func newSums() sums {
	return sums{
		newCounter[kindOf[tracer.Scope], kindOf[Label]](), newCounter[kindOf[tracer.Scope], kindOf[Label]](),
		newCounter[causeOf[string], causeOf[workload.Workload]](), make(map[string]uint64),
	}
}
