package node

import (
	"cmp"
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
	limits map[identity][]limit.Limit
	next   time.Time
}

func (i inspection) due(now time.Time) bool { return !now.Before(i.next) }

// of is what bounds processes, by pid. What is known of one whose pid another process
// has now is left out.
func (i inspection) of(alive []tracer.ProcessActivity) map[int][]limit.Limit {
	starts := startsOf(alive)
	limits := make(map[int][]limit.Limit, len(i.limits))
	for id, found := range i.limits {
		if starts.allow(id) {
			limits[id.pid] = found
		}
	}
	return limits
}

// starts is when processes began, by pid. A pid is used again.
type starts map[int]uint64

func startsOf(alive []tracer.ProcessActivity) starts {
	s := make(starts, len(alive))
	for _, p := range alive {
		s[p.PID] = p.Start
	}
	return s
}

// allow tells that a process may still have its pid.
func (s starts) allow(id identity) bool {
	start, taken := s[id.pid]
	return !taken || start == id.start
}

// inspect looks again. What fails is logged, and what is known is kept.
func (w *Watcher) inspect(alive []tracer.ProcessActivity) {
	began := time.Now()
	threads, processes := w.scopes.subjects(startsOf(alive))
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
			seen.limits = make(map[identity][]limit.Limit, len(limits))
			for _, p := range processes {
				if found, known := limits[p.PID]; known {
					seen.limits[identify(p)] = found
				}
			}
		}
	}
	now := time.Now()
	seen.next = now.Add(max(inspectEvery, inspectShare*now.Sub(began)))
	w.seen = seen
}

// subjects are the threads that look like a leak, as many as can be looked at, and
// the processes that have to do with any object, one of each pid.
func (all *scopes) subjects(alive starts) ([]tracer.Object, []tracer.Process) {
	owners := make(map[int]tracer.Process)
	own := func(p tracer.Process) {
		if p.PID != 0 && alive.allow(identify(p)) && p.Start >= owners[p.PID].Start {
			owners[p.PID] = p
		}
	}
	var threads [][]tracer.Object
	for _, id := range all.sorted() {
		var accused []tracer.Object
		sites := all.of[id].sites
		for i := range sites {
			s := &sites[i]
			looks := s.State == verdict.Leaking || s.State == verdict.Suspect
			for j := range s.Outstanding {
				o := &s.Outstanding[j]
				if looks && o.Kind == tracer.Thread {
					accused = append(accused, *o)
				}
				own(o.Owner)
				for p := range o.Responsible() {
					own(p)
				}
			}
		}
		threads = append(threads, accused)
	}
	return deal(threads, maxThreads), slices.Collect(maps.Values(owners))
}

// deal takes as many of several lists as there may be in all: of each the first ones,
// and no list gets less because another is long.
func deal(lists [][]tracer.Object, most int) (dealt []tracer.Object) {
	slices.SortStableFunc(lists, func(a, b []tracer.Object) int { return cmp.Compare(len(a), len(b)) })
	for i, list := range lists {
		n := min(len(list), (most-len(dealt))/(len(lists)-i))
		dealt = append(dealt, list[:n]...)
	}
	return dealt
}
