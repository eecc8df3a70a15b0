package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

const (
	// shortestBase bounds the resolution of ages when min-age is 0.
	shortestBase = 100 * time.Millisecond
	// maxEmpty is for how many snapshots the history of a site is kept after
	// its last object was given back; watchEmpty is the same of what is watched for
	// good, of which there may be thousands.
	maxEmpty, watchEmpty = 1024, 64
	// maxRecords is how many sites have a history. Of those that hold nothing the
	// ones that have been empty for longest lose theirs first; those that hold
	// something keep it, for their objects take more memory.
	maxRecords = 2048
)

// key is what a site is known by from one snapshot to the next.
type key struct {
	kind        tracer.Kind
	fingerprint string
}

func keyOf(s *tracer.Site) key { return key{s.Kind, s.Fingerprint} }

// History accumulates the snapshots of one run and judges its sites. It needs
// snapshots at roughly regular intervals: growth cannot be seen from two. Its
// memory grows with the number of sites that hold something, and the logarithm of that
// of snapshots.
type History struct {
	minAge time.Duration
	// base is the first threshold of age.
	base time.Duration

	clock   clock
	axis    axis
	number  uint32 // of snapshots, as far as it fits
	records map[key]*record
	objects map[identity]*object
	holders map[process]bool // of one site, while a snapshot is added
	held    map[process]bool // holders of any

	processes processes
	kept      map[key]Site
	onlyNow   bool // nothing is kept of processes that have ended
	maxEmpty  int
	unjudged  int
	sites     []tracer.Site
	judged    []Site // of the last snapshot, once they were asked for

	// goroutines is the history of their sites: a snapshot that has not looked at them
	// says nothing new of them. It has none itself. looked is its last look.
	goroutines *History
	looked     time.Time
}

// New returns the empty history of a run whose tracing began at started.
// Objects count as old once they were outstanding for minAge.
func New(started time.Time, minAge time.Duration) *History {
	h := newHistory(started, minAge)
	h.goroutines = newHistory(started, minAge)
	return h
}

func newHistory(started time.Time, minAge time.Duration) *History {
	return &History{
		minAge:  minAge,
		base:    max(minAge, shortestBase),
		clock:   clock{wall: started},
		records: make(map[key]*record),
		objects: make(map[identity]*object),
		holders: make(map[process]bool),
		held:    make(map[process]bool),
		kept:    make(map[key]Site),

		maxEmpty: maxEmpty,
	}
}

// NewWatch is New for what is watched for good: what processes leave behind that
// end is none of its sites, of which there is no final report, and a site that holds
// nothing is forgotten sooner.
func NewWatch(started time.Time, minAge time.Duration) *History {
	h := New(started, minAge)
	for _, part := range []*History{h, h.goroutines} {
		part.onlyNow, part.maxEmpty = true, watchEmpty
	}
	return h
}

// MinAge is the age from which on an object counts as old.
func (h *History) MinAge() time.Duration { return h.minAge }

// Add appends a snapshot, which must not change afterwards. Snapshots are
// added in the order they were taken. After the target has ended Add may go
// on, to see what becomes of what is left.
func (h *History) Add(s *tracer.Snapshot) {
	now := h.clock
	now.advance(s.Time)
	kernel, goroutines := divide(s.Sites)
	h.add(now, s.Processes, kernel)
	g := h.goroutines
	switch {
	case !s.Looked.Equal(g.looked):
		g.looked = s.Looked
		g.add(now, s.Processes, goroutines)
	case g.bereft(s.Processes):
		g.amend(s.Processes, goroutines)
	}
}

// divide parts goroutines from what every snapshot looks at.
func divide(sites []tracer.Site) (kernel, goroutines []tracer.Site) {
	for _, s := range sites {
		if s.Kind == tracer.Goroutine {
			goroutines = append(goroutines, s)
		} else {
			kernel = append(kernel, s)
		}
	}
	return kernel, goroutines
}

// add appends one part of a snapshot.
func (h *History) add(now clock, alive []tracer.ProcessActivity, sites []tracer.Site) {
	step, ended := h.take(now, alive, sites)
	h.finish(step, ended, h.axis.add(now.now))
}

// amend puts what is left when a process has ended, or called exec, in the place of the
// last snapshot: it is as it was then, and says nothing more.
func (h *History) amend(alive []tracer.ProcessActivity, sites []tracer.Site) {
	_, ended := h.take(h.clock, alive, sites)
	for _, r := range h.records {
		r.reopen()
	}
	h.finish(0, ended, nil)
}

// take compares one part of a snapshot with the one before. It tells how long ago that
// was, and whether a process has ended since, or called exec.
func (h *History) take(now clock, alive []tracer.ProcessActivity, sites []tracer.Site) (step time.Duration, ended bool) {
	next := h.processes.next(alive)
	ended = h.processes.lost(next)
	h.keep(next)
	h.processes = next
	h.release()
	step = now.now - h.clock.now
	h.clock = now
	h.number++
	h.judged = nil
	h.sites = merge(sites)
	h.observe(step)
	return step, ended
}

// bereft tells that a process has ended, or called exec, that held a goroutine in the
// last snapshot.
func (h *History) bereft(alive []tracer.ProcessActivity) bool {
	if len(h.held) == 0 {
		return false
	}
	next := h.processes.next(alive)
	for p := range h.held {
		if _, lives := next.total[p]; !lives || next.replaced[p] {
			return true
		}
	}
	return false
}

// observe compares the objects of the current snapshot with those before.
func (h *History) observe(step time.Duration) {
	clear(h.held)
	for i := range h.sites {
		s := &h.sites[i]
		k := keyOf(s)
		r := h.records[k]
		if r == nil && len(s.Outstanding) > 0 {
			r = &record{key: k, released: s.Released}
			h.records[k] = r
		}
		if r != nil {
			h.hold(r, s.Outstanding, step)
		}
	}
	h.sweep()
}

// hold takes over what a site has outstanding, and what the processes did
// meanwhile that hold it.
func (h *History) hold(r *record, outstanding []tracer.Object, step time.Duration) {
	if len(r.objects) != len(outstanding) {
		r.objects = make([]*object, len(outstanding))
	}
	clear(h.holders)
	var last process
	for i := range outstanding {
		o := h.track(r, &outstanding[i], step)
		r.objects[i] = o
		r.hold(h.age(o), o.before, h.base)
		for p := range o.now.Responsible() {
			// Most are in a row of one process.
			if id := identifyProcess(p); id != last || len(h.holders) == 0 {
				h.holders[id], last = true, id
			}
		}
	}
	for p := range h.holders {
		h.held[p] = true
		for i, n := range h.processes.did[p] {
			r.did[i] += uint32(n)
		}
	}
}

// finish appends a point to every record, as the axis has one more, and folded some.
func (h *History) finish(step time.Duration, ended bool, folds []int) {
	for i := range h.sites {
		s := &h.sites[i]
		if r := h.records[keyOf(s)]; r != nil {
			// Only of threads the age is the verdict's own measure; and what
			// the kernel took from an ended process was not given back.
			r.tally(s, step, s.Kind == tracer.Thread && !ended)
		}
	}
	for k, r := range h.records {
		r.finish(step, len(h.axis.ends)+len(folds), folds)
		if r.empty > h.maxEmpty {
			delete(h.records, k)
		}
	}
	h.bound()
}

// bound forgets sites that hold nothing where there are too many.
func (h *History) bound() {
	more := len(h.records) - maxRecords
	if more <= 0 {
		return
	}
	var empty []key
	for k, r := range h.records {
		if r.empty > 0 {
			empty = append(empty, k)
		}
	}
	slices.SortFunc(empty, func(a, b key) int {
		return cmp.Or(
			cmp.Compare(h.records[b].empty, h.records[a].empty),
			cmp.Compare(a.kind, b.kind), cmp.Compare(a.fingerprint, b.fingerprint),
		)
	})
	for _, k := range empty[:min(more, len(empty))] {
		delete(h.records, k)
	}
}

// merge joins sites of one fingerprint: two calls in the same function are one
// site to the user. The stack shown is the one that holds most objects.
func merge(sites []tracer.Site) []tracer.Site {
	index := make(map[key]int, len(sites))
	most := make([]int, 0, len(sites))
	merged := make([]tracer.Site, 0, len(sites))
	for _, s := range sites {
		k := keyOf(&s)
		i, known := index[k]
		if !known {
			index[k] = len(merged)
			merged = append(merged, s)
			most = append(most, len(s.Outstanding))
			continue
		}
		m := &merged[i]
		if len(s.Outstanding) > most[i] {
			m.Stack, most[i] = s.Stack, len(s.Outstanding)
		}
		m.Created += s.Created
		m.Released += s.Released
		m.Outstanding = slices.Concat(m.Outstanding, s.Outstanding)
		slices.SortStableFunc(m.Outstanding, func(a, b tracer.Object) int {
			return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID))
		})
	}
	return merged
}
