package node

import (
	"maps"

	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
)

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

// totals is everything that is counted since tracing began: what scopes created and
// released, by label, and what cgroups were refused, by container.
type totals struct {
	created, released *counter[kindOf[tracer.Scope], kindOf[Label]]
	refused           *counter[causeOf[string], causeOf[workload.Workload]]
	lost              map[string]uint64
}

func newTotals() totals {
	return totals{
		newCounter[kindOf[tracer.Scope], kindOf[Label]](), newCounter[kindOf[tracer.Scope], kindOf[Label]](),
		newCounter[causeOf[string], causeOf[workload.Workload]](), make(map[string]uint64),
	}
}

// count says what a scope has created and released of a kind.
func (t *totals) count(id tracer.Scope, label Label, kind tracer.Kind, created, released uint64) {
	t.created.set(kindOf[tracer.Scope]{id, kind}, kindOf[Label]{label, kind}, created)
	t.released.set(kindOf[tracer.Scope]{id, kind}, kindOf[Label]{label, kind}, released)
}

// refuse says what a cgroup was refused.
func (t *totals) refuse(r tracer.Refusal, owner workload.Workload) {
	t.refused.set(causeOf[string]{r.Cgroup, r.Name}, causeOf[workload.Workload]{owner, r.Name}, r.Count)
}

// unjudged is the causes that the tracer counts anew in each snapshot: so many
// objects are there now of which it is not known whether they are held.
var unjudged = map[string]bool{"finished_threads_unjudged": true, "queued_connections_unseen": true}

// lose parts what a snapshot tells of losses: what was lost since tracing began, and
// what cannot be judged now.
func (t *totals) lose(counts []tracer.Counter) (lost, now map[string]uint64) {
	now = make(map[string]uint64)
	for _, c := range counts {
		if unjudged[c.Name] {
			now[c.Name] = c.Count
		} else {
			t.lost[c.Name] = max(t.lost[c.Name], c.Count)
		}
	}
	return maps.Clone(t.lost), now
}
