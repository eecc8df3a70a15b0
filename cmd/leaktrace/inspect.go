package main

import (
	"fmt"
	"maps"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Where threads are and what bounds a process is looked at now and then, for
// the target may end at any time. If that takes long, it is done less often: it
// may take one part in so many of leaktrace's time.
const (
	inspectEvery = 5 * time.Second
	inspectShare = 50
)

// inspection is what snapshots do not tell.
type inspection struct {
	parked []tracer.Parked
	limits map[int][]limit.Limit // by pid
}

// subjects are the objects and processes that are looked at, and those that have
// ended, of which only what was seen before is left.
type subjects struct {
	threads []tracer.Object
	owners  map[int]tracer.Process
	ended   map[int]bool // tids and pids
}

// inspect looks at the processes that hold anything, at the threads that look
// like a leak, and at those that nothing else is known of.
func (s *session) inspect() error {
	of := subjectsOf(s.history.Sites())
	parked, err := s.tracer.Parked(of.threads)
	if err != nil {
		return err
	}
	limits, err := readLimits(of.owners)
	if err != nil {
		return err
	}
	s.seen = inspection{append(parked, s.seen.parkedOf(of, parked)...), s.seen.limitsOf(of, limits)}
	return nil
}

func subjectsOf(sites []verdict.Site) subjects {
	of := subjects{owners: make(map[int]tracer.Process), ended: make(map[int]bool)}
	for _, site := range sites {
		var last tracer.Process // most objects are in a row of one
		accused := site.State == verdict.Leaking || site.State == verdict.Suspect
		telling := accused || len(site.Stack.Frames) == 0
		for i := range site.Outstanding {
			o := &site.Outstanding[i]
			switch {
			case o.Kind != tracer.Thread:
			case site.Ended:
				of.ended[o.ID] = true
			case telling:
				of.threads = append(of.threads, *o)
			}
			for p := range o.Responsible() {
				if p != last {
					of.hold(p, site.Ended)
				}
				last = p
			}
			if o.Owner != last {
				of.hold(o.Owner, site.Ended)
			}
		}
	}
	return of
}

// hold notes a process that has to do with an object.
func (of subjects) hold(p tracer.Process, ended bool) {
	if ended {
		of.ended[p.PID] = true
	} else {
		of.owners[p.PID] = p
	}
}

// parkedOf is where the threads were at the look before that this one has not found.
func (i inspection) parkedOf(of subjects, found []tracer.Parked) (parked []tracer.Parked) {
	lost := of.lost(found)
	for _, group := range i.parked {
		var left []int
		for _, tid := range group.Threads {
			if lost[tid] {
				left = append(left, tid)
			}
		}
		if len(left) > 0 {
			group.Threads = left
			parked = append(parked, group)
		}
	}
	return parked
}

// lost is the threads that have ended, be it since the snapshot: a look that comes
// after it finds them no more. An id that is used again is not theirs any more.
func (of subjects) lost(found []tracer.Parked) map[int]bool {
	lost := maps.Clone(of.ended)
	for _, o := range of.threads {
		lost[o.ID] = !of.ended[o.ID]
	}
	for _, group := range found {
		for _, tid := range group.Threads {
			lost[tid] = false
		}
	}
	return lost
}

// limitsOf adds to what was read now what bounded the processes that have ended, be
// it since the snapshot.
func (i inspection) limitsOf(of subjects, limits map[int][]limit.Limit) map[int][]limit.Limit {
	for pid, known := range i.limits {
		_, owner := of.owners[pid]
		if _, read := limits[pid]; !read && (owner || of.ended[pid]) {
			limits[pid] = known
		}
	}
	return limits
}

// readLimits reads what bounds some processes. One that has ended meanwhile is left
// out.
func readLimits(owners map[int]tracer.Process) (map[int][]limit.Limit, error) {
	reader, err := limit.NewReader("/")
	if err != nil {
		return nil, fmt.Errorf("look at what bounds the processes: %w", err)
	}
	limits := make(map[int][]limit.Limit)
	for pid, p := range owners {
		if found, err := reader.Read(p); err == nil {
			limits[pid] = found
		}
	}
	return limits, nil
}
