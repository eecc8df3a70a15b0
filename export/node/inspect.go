package node

import (
	"maps"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// What bounds the processes that hold something, and where the threads of the
// accused are, is looked at now and then: at most every inspectEvery, and in one
// part in inspectShare of the time. A look at maxThreads takes some 0.2 s.
const (
	inspectEvery = 30 * time.Second
	inspectShare = 50
	maxThreads   = 10_000
)

// inspection is what snapshots do not tell. It does not change.
type inspection struct {
	parked []tracer.Parked
	limits map[int][]limit.Limit // by pid
	next   time.Time
}

func (i inspection) due(now time.Time) bool { return !now.Before(i.next) }

// inspect looks again. What fails is logged, and what is known is kept.
func (w *Watcher) inspect() {
	began := time.Now()
	threads, processes := w.scopes.subjects()
	seen := inspection{parked: w.seen.parked, limits: w.seen.limits}
	if parked, err := w.source.Parked(threads); err != nil {
		w.options.Log.Warn("cannot look where threads are parked", "err", err)
	} else {
		seen.parked = parked
	}
	if w.options.Limits != nil {
		if limits, err := w.options.Limits(processes); err != nil {
			w.options.Log.Warn("cannot look at what bounds the processes", "err", err)
		} else {
			seen.limits = limits
		}
	}
	now := time.Now()
	seen.next = now.Add(max(inspectEvery, inspectShare*now.Sub(began)))
	w.seen = seen
}

// subjects are the threads that look like a leak, as many as can be looked at, and
// the processes that have to do with any object.
func (all *scopes) subjects() (threads []tracer.Object, processes []tracer.Process) {
	owners := make(map[identity]tracer.Process)
	for _, c := range all.of {
		for i := range c.sites {
			s := &c.sites[i]
			accused := s.State == verdict.Leaking || s.State == verdict.Suspect
			for j := range s.Outstanding {
				o := &s.Outstanding[j]
				if accused && o.Kind == tracer.Thread && len(threads) < maxThreads {
					threads = append(threads, *o)
				}
				owners[identify(o.Owner)] = o.Owner
				for p := range o.Responsible() {
					owners[identify(p)] = p
				}
			}
		}
	}
	delete(owners, identity{})
	return threads, slices.Collect(maps.Values(owners))
}
