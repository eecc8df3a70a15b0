package node

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/workload"
)

// siteID tells the leaking sites of a node apart.
type siteID struct {
	kindOf[Label]
	fingerprint string
}

func (a siteID) compare(b siteID) int {
	return cmp.Or(cmp.Compare(a.fingerprint, b.fingerprint), a.of.compare(b.of), cmp.Compare(a.kind, b.kind))
}

// Bounds of the sites that have a series of their own. Two that are alike would make
// new series all the time, and a container that makes up sites as well.
const (
	// stay is by how much another site must leak more to take a place.
	stay = 1.25
	// In keepSite at most perPlace sites for each place of a container have had it.
	keepSite = time.Hour
	perPlace = 2
)

// ranking is the sites that have a series of their own, or had, and when that was.
type ranking struct {
	held map[workload.Workload]map[siteID]time.Time
	last time.Time
}

func newRanking() *ranking {
	return &ranking{held: make(map[workload.Workload]map[siteID]time.Time)}
}

// candidate is a leaking site on its way to a place.
type candidate struct {
	siteID
	*leak
	weight float64
}

// rank gives the top leaking sites of each container a place, and adds up the rest.
func (r *ranking) rank(all map[kindOf[Label]]*summary, top int, now time.Time) {
	r.forget(now)
	for owner, sites := range r.candidates(all) {
		slices.SortFunc(sites, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(b.weight, a.weight), a.compare(b.siteID))
		})
		given := 0
		for _, c := range sites {
			s := all[c.kindOf]
			if given >= top || !r.hold(owner, c.siteID, perPlace*top, now) {
				s.Others += c.leaked
				continue
			}
			given++
			s.Sites = append(s.Sites, Site{export.Title(*c.site, maxTitle), printable(c.fingerprint), c.leaked})
		}
	}
	r.last = now
}

// hold gives a site a place, unless too many others had one lately.
func (r *ranking) hold(owner workload.Workload, id siteID, most int, now time.Time) bool {
	held := r.held[owner]
	if held == nil {
		held = make(map[siteID]time.Time)
		r.held[owner] = held
	}
	if _, known := held[id]; !known && len(held) >= most {
		return false
	}
	held[id] = now
	return true
}

// forget makes room for other sites.
func (r *ranking) forget(now time.Time) {
	for owner, held := range r.held {
		maps.DeleteFunc(held, func(_ siteID, at time.Time) bool { return now.Sub(at) > keepSite })
		if len(held) == 0 {
			delete(r.held, owner)
		}
	}
}

// candidates are all leaking sites by container.
func (r *ranking) candidates(all map[kindOf[Label]]*summary) map[workload.Workload][]candidate {
	sites := make(map[workload.Workload][]candidate)
	for id, s := range all {
		for fingerprint, l := range s.leaks {
			c := candidate{siteID{id, fingerprint}, l, float64(l.leaked)}
			if at, held := r.held[id.of.Workload][c.siteID]; held && at.Equal(r.last) {
				c.weight *= stay
			}
			sites[id.of.Workload] = append(sites[id.of.Workload], c)
		}
	}
	return sites
}
