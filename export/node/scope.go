package node

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// scopes is the history of each scope that has processes or objects.
type scopes struct {
	of     map[tracer.Scope]*scope
	last   time.Time // of the last snapshot; before the first when tracing began
	minAge time.Duration
}

// scope is one program in one cgroup.
type scope struct {
	history *verdict.History
	sites   []verdict.Site
	// created and released are totals since tracing began, also of sites that hold
	// nothing now.
	created, released map[tracer.Kind]uint64
	// others are processes of other scopes that have held objects of this one, such
	// as a shell that must reap a service's children: that they live on is part of
	// its history.
	others map[identity]tracer.Process
}

// identity is what a process is known by. Its name may change.
type identity struct {
	pid   int
	start uint64
}

func identify(p tracer.Process) identity { return identity{p.PID, p.Start} }

func newScopes(started time.Time) scopes {
	return scopes{of: make(map[tracer.Scope]*scope), last: started}
}

// share is a scope's part of a snapshot.
type share struct {
	sites     []tracer.Site
	processes []tracer.ProcessActivity
	objects   int
}

// divide parts a snapshot by scope.
func divide(s *tracer.Snapshot) map[tracer.Scope]*share {
	shares := make(map[tracer.Scope]*share)
	of := func(scope tracer.Scope) *share {
		if shares[scope] == nil {
			shares[scope] = new(share)
		}
		return shares[scope]
	}
	for _, p := range s.Processes {
		part := of(p.Scope)
		part.processes = append(part.processes, p)
	}
	for _, site := range s.Sites {
		part := of(site.Scope)
		part.sites = append(part.sites, site)
		part.objects += len(site.Outstanding)
	}
	maps.DeleteFunc(shares, func(_ tracer.Scope, part *share) bool {
		return len(part.processes) == 0 && part.objects == 0
	})
	return shares
}

// add appends a snapshot to the history of each scope, begins those that are new
// and forgets those that have nothing left.
func (all *scopes) add(s *tracer.Snapshot, minAge time.Duration) {
	if minAge != all.minAge {
		clear(all.of)
		all.minAge = minAge
	}
	alive := make(images, len(s.Processes))
	for _, p := range s.Processes {
		alive[identify(p.Process)] = p.Image
	}
	shares := divide(s)
	maps.DeleteFunc(all.of, func(id tracer.Scope, _ *scope) bool { return shares[id] == nil })
	for id, part := range shares {
		known := all.of[id]
		if known == nil {
			known = &scope{history: verdict.NewWatch(all.last, minAge), others: make(map[identity]tracer.Process)}
			all.of[id] = known
		}
		known.add(s, part, alive)
	}
	all.last = s.Time
}

// images is what processes that are alive execute.
type images map[identity]uint64

func (i images) has(id identity) bool {
	_, has := i[id]
	return has
}

func (c *scope) add(s *tracer.Snapshot, part *share, alive images) {
	c.adopt(part, alive)
	processes := part.processes
	for id, p := range c.others {
		processes = append(processes, tracer.ProcessActivity{Process: p, Image: alive[id]})
	}
	c.history.Add(&tracer.Snapshot{Time: s.Time, Sites: part.sites, Looked: s.Looked, Processes: processes})
	c.sites = c.history.Sites()
	c.created, c.released = make(map[tracer.Kind]uint64), make(map[tracer.Kind]uint64)
	for _, s := range part.sites {
		c.created[s.Kind] += s.Created
		c.released[s.Kind] += s.Released
	}
}

// adopt finds the traced processes of other scopes that hold objects of this one.
func (c *scope) adopt(part *share, alive images) {
	own := make(map[identity]bool, len(part.processes))
	for _, p := range part.processes {
		own[identify(p.Process)] = true
	}
	maps.DeleteFunc(c.others, func(id identity, _ tracer.Process) bool { return !alive.has(id) || own[id] })
	for _, s := range part.sites {
		if s.Kind != tracer.Zombie && s.Kind != tracer.CloseWait {
			continue // a thread is of its own process
		}
		var last identity // most are in a row of one process
		for i := range s.Outstanding {
			for p := range s.Outstanding[i].Responsible() {
				id := identify(p)
				if id == last {
					continue
				}
				if last = id; alive.has(id) && !own[id] {
					c.others[id] = p
				}
			}
		}
	}
}

// sorted lists the scopes by cgroup and program.
func (all *scopes) sorted() []tracer.Scope {
	return slices.SortedFunc(maps.Keys(all.of), func(a, b tracer.Scope) int {
		return cmp.Or(cmp.Compare(a.Cgroup, b.Cgroup), cmp.Compare(a.Program, b.Program))
	})
}
