// Package verdict judges which sites leak. It is a pure function of the
// snapshots of a run: it reads no clock and does no I/O.
package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// maxPoints bounds the memory of a site. It is even, so that the points can be
// folded in pairs, and small enough that the slope over all pairs stays cheap.
const maxPoints = 64

// key is what a site is known by from one snapshot to the next.
type key struct {
	kind        tracer.Kind
	fingerprint string
}

// level is the outstanding count during one stretch of the run: one snapshot
// at first, more of them after the history was thinned out.
type level struct {
	last, low, high int
	// released counts since tracing began, at the end of the stretch.
	released uint64
}

// History accumulates the snapshots of one run and judges its sites. It needs
// snapshots at roughly regular intervals: growth cannot be seen from two.
type History struct {
	started time.Time
	minAge  time.Duration

	// at holds the end of every stretch, as time since started; the levels of
	// each site are parallel to it.
	at     []time.Duration
	levels map[key][]level
	// perPoint is how many snapshots a full stretch covers, inLast how many
	// the last one covers yet.
	perPoint, inLast int

	now   time.Time
	sites []tracer.Site
}

// New returns the empty history of a run whose tracing began at started.
// Objects count as old once they were outstanding for minAge.
func New(started time.Time, minAge time.Duration) *History {
	return &History{
		started:  started,
		minAge:   minAge,
		levels:   map[key][]level{},
		perPoint: 1,
		now:      started,
	}
}

// MinAge is the age from which on an object counts as old.
func (h *History) MinAge() time.Duration { return h.minAge }

// Add appends a snapshot, which must not change afterwards. Snapshots are
// added in the order they were taken.
func (h *History) Add(s *tracer.Snapshot) {
	h.now, h.sites = s.Time, merge(s.Sites)
	present := make(map[key]level, len(h.sites))
	for _, site := range h.sites {
		k, n := key{site.Kind, site.Fingerprint}, len(site.Outstanding)
		present[k] = level{n, n, n, site.Released}
		if _, known := h.levels[k]; !known && n > 0 {
			// A site that was not there had nothing outstanding.
			h.levels[k] = make([]level, len(h.at))
		}
	}
	fresh := h.advance(s.Time.Sub(h.started))
	for k, levels := range h.levels {
		l, ok := present[k]
		if !ok && len(levels) > 0 {
			l.released = levels[len(levels)-1].released
		}
		if fresh {
			h.levels[k] = append(levels, l)
			continue
		}
		last := &levels[len(levels)-1]
		*last = fold(*last, l)
	}
}

// advance moves the end of the history to at and tells whether a new stretch
// begins there. A clock that jumped back counts as one that stood still.
func (h *History) advance(at time.Duration) (fresh bool) {
	last := len(h.at) - 1
	if last >= 0 {
		at = max(at, h.at[last])
	}
	if last >= 0 && h.inLast < h.perPoint {
		h.at[last] = at
		h.inLast++
		return false
	}
	if len(h.at) == maxPoints {
		h.thin()
	}
	h.at = append(h.at, at)
	h.inLast = 1
	return true
}

// thin folds the stretches in pairs. Folding keeps the extremes, so that a
// thinned sawtooth does not turn into a slope.
func (h *History) thin() {
	for i := range maxPoints / 2 {
		h.at[i] = h.at[2*i+1]
	}
	h.at = h.at[:maxPoints/2]
	for k, levels := range h.levels {
		for i := range maxPoints / 2 {
			levels[i] = fold(levels[2*i], levels[2*i+1])
		}
		h.levels[k] = levels[:maxPoints/2]
	}
	h.perPoint *= 2
}

func fold(a, b level) level {
	return level{b.last, min(a.low, b.low), max(a.high, b.high), b.released}
}

// merge joins sites of one fingerprint: two calls in the same function are one
// site to the user. The stack shown is the one that holds most objects.
func merge(sites []tracer.Site) []tracer.Site {
	index := make(map[key]int, len(sites))
	most := make([]int, 0, len(sites))
	merged := make([]tracer.Site, 0, len(sites))
	for _, s := range sites {
		k := key{s.Kind, s.Fingerprint}
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
