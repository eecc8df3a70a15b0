package main

import (
	"fmt"
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

// inspection is what snapshots do not tell of the accused.
type inspection struct {
	parked []tracer.Parked
	limits map[int][]limit.Limit // by pid
}

// inspect looks at the processes and threads that hold what looks like a leak,
// and at threads that nothing else is known of.
func (s *session) inspect() error {
	var threads []tracer.Object
	owners := make(map[int]tracer.Process)
	for _, site := range s.history.Sites() {
		nameless := len(site.Stack.Frames) == 0
		accused := site.State == verdict.Leaking || site.State == verdict.Suspect
		if site.Ended || !accused && !nameless {
			continue
		}
		for _, o := range site.Outstanding {
			if o.Kind == tracer.Thread {
				threads = append(threads, o)
			}
			for _, p := range append(o.Responsible(), o.Owner) {
				owners[p.PID] = p
			}
		}
	}
	parked, err := s.tracer.Parked(threads)
	if err != nil {
		return err
	}
	limits, err := readLimits(owners)
	if err != nil {
		return err
	}
	s.seen = inspection{parked, limits}
	return nil
}

// readLimits reads what bounds some processes. Of one that has ended meanwhile
// nothing is known.
func readLimits(owners map[int]tracer.Process) (map[int][]limit.Limit, error) {
	reader, err := limit.NewReader("/")
	if err != nil {
		return nil, fmt.Errorf("look at the accused: %w", err)
	}
	limits := make(map[int][]limit.Limit)
	for pid, p := range owners {
		if found, err := reader.Read(p); err == nil {
			limits[pid] = found
		}
	}
	return limits, nil
}
