package node

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/workload"
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
	// FullS is when the first limit is reached, in seconds; +Inf if never.
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

// own adds the user's own limit. Of a scope without one Max is 0.
func (s *summary) own(l export.Limit) {
	if l.Max > 0 {
		s.tighten(l)
	}
}

// bound adds the limits of the processes.
func (s *summary) bound(bounds *export.Bounds) {
	for _, l := range bounds.Of(s.outstanding...) {
		s.tighten(l)
	}
}

func (s *summary) tighten(l export.Limit) {
	if s.Bounds == nil {
		s.Bounds = make(map[limit.Resource]Bound)
	}
	b, known := s.Bounds[l.Resource]
	if !known {
		b.FullS = math.Inf(1)
	}
	b.Used = max(b.Used, l.Share())
	if l.FullInS != nil {
		b.FullS = min(b.FullS, *l.FullInS)
	}
	s.Bounds[l.Resource] = b
}

// siteID tells the leaking sites of a node apart.
type siteID struct {
	kindOf[Label]
	fingerprint string
}

func (a siteID) compare(b siteID) int {
	return cmp.Or(cmp.Compare(a.fingerprint, b.fingerprint), a.of.compare(b.of), cmp.Compare(a.kind, b.kind))
}

// ranking is the sites that have a series of their own.
type ranking map[siteID]bool

// stay is by how much another site must leak more to take a place. Two that are
// alike would make new series all the time.
const stay = 1.25

// candidate is a leaking site on its way to a place.
type candidate struct {
	siteID
	*leak
	weight float64
}

// rank gives the top leaking sites of each container a place, and adds up the rest.
func (before ranking) rank(all map[kindOf[Label]]*summary, top int) ranking {
	after := make(ranking)
	for _, sites := range before.candidates(all) {
		slices.SortFunc(sites, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.weight, a.weight), a.compare(b.siteID))
		})
		for i, c := range sites {
			s := all[c.kindOf]
			if i >= top {
				s.Others += c.leaked
				continue
			}
			after[c.siteID] = true
			s.Sites = append(s.Sites, Site{export.Title(*c.site, maxTitle), printable(c.fingerprint), c.leaked})
		}
	}
	return after
}

// candidates are all leaking sites by container.
func (before ranking) candidates(all map[kindOf[Label]]*summary) map[workload.Workload][]candidate {
	sites := make(map[workload.Workload][]candidate)
	for id, s := range all {
		for fingerprint, l := range s.leaks {
			c := candidate{siteID{id, fingerprint}, l, float64(l.leaked)}
			if before[c.siteID] {
				c.weight *= stay
			}
			sites[id.of.Workload] = append(sites[id.of.Workload], c)
		}
	}
	return sites
}
