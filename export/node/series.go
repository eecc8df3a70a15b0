package node

import (
	"math"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Series is what one program of a container has of one kind.
type Series struct {
	Label
	Kind tracer.Kind
	// Objects is how many are outstanding, Leaked how many of them at sites that
	// leak and are not suppressed, Before how many are older than tracing.
	Objects, Leaked, Before int
	// Oldest is how long the oldest has been outstanding.
	Oldest time.Duration
	// GrowthPerS is that of the leaking sites.
	GrowthPerS float64
	// Created and Released are totals since tracing began. They do not fall.
	Created, Released uint64
	// Bounds is what bounds the objects, by resource.
	Bounds map[limit.Resource]Bound
	// Sites are those that leak and are among the top ones of the container, Others
	// what the other leaking sites hold.
	Sites  []Site
	Others int
}

// Bound is how near the tightest limits on a resource are.
type Bound struct {
	// Used is the largest share that is used of a limit: 1 is all.
	Used float64
	// FullS is when the first limit is reached that the series itself fills, in seconds,
	// at the growth of all that fill it; +Inf if never. A limit that others fill, or
	// that is full and stays so, is no fault of this series.
	FullS float64
}

// Site is a leaking site.
type Site struct {
	// Title is the function and line, or what else is known; it is escaped.
	Title, Fingerprint string
	Leaked             int
}

// maxTitle is how many characters a site's title has at most.
const maxTitle = 100

// summary is a series while it is made.
type summary struct {
	Series
	outstanding []*verdict.Site
	filling     []*verdict.Site  // of these, those that fill their limits
	leaks       map[string]*leak // by fingerprint
}

// leak is the sites of one fingerprint.
type leak struct {
	site   *verdict.Site
	leaked int
}

func (s *summary) add(site *verdict.Site, accepted []export.Suppression) {
	n := len(site.Outstanding)
	if n == 0 {
		return
	}
	s.outstanding = append(s.outstanding, site)
	if export.Fills(site) {
		s.filling = append(s.filling, site)
	}
	s.Objects += n
	s.Oldest = max(s.Oldest, site.Oldest)
	for i := range site.Outstanding {
		if site.Outstanding[i].BeforeTracing {
			s.Before++
		}
	}
	if site.State != verdict.Leaking || export.Accepted(accepted, *site) != "" {
		return
	}
	s.Leaked += n
	s.GrowthPerS += site.GrowthPerS
	if s.leaks == nil {
		s.leaks = make(map[string]*leak)
	}
	known := s.leaks[site.Fingerprint]
	if known == nil {
		known = &leak{site: site}
		s.leaks[site.Fingerprint] = known
	}
	known.leaked += n
}

// own adds the user's own limit, and tells of a scope's sites whether they fill it.
// Of a scope without one Max is 0.
func (s *summary) own(l export.Limit, sites []verdict.Site) {
	if l.Max > 0 {
		s.tighten(l, slices.ContainsFunc(sites, func(site verdict.Site) bool {
			return site.Kind == s.Kind && export.Fills(&site)
		}))
	}
}

// bound adds the limits of the processes.
func (s *summary) bound(bounds *export.Bounds) {
	for _, l := range bounds.Of(s.outstanding...) {
		s.tighten(l, false)
	}
	for _, l := range bounds.Of(s.filling...) {
		s.tighten(l, true)
	}
}

// tighten adds a limit, and when it is reached if the series fills it.
func (s *summary) tighten(l export.Limit, filled bool) {
	if s.Bounds == nil {
		s.Bounds = make(map[limit.Resource]Bound)
	}
	b, known := s.Bounds[l.Resource]
	if !known {
		b.FullS = math.Inf(1)
	}
	b.Used = max(b.Used, l.Share())
	if filled && l.FullInS != nil {
		b.FullS = min(b.FullS, *l.FullInS)
	}
	s.Bounds[l.Resource] = b
}
