package tracer

import "slices"

// extent is a run of entries of an array map.
type extent struct{ first, count uint32 }

// extents is the free runs of an array map, sorted by first, no two adjacent.
type extents []extent

// newExtents returns those of a map of which nothing is taken.
func newExtents(entries uint32) extents { return extents{{0, entries}} }

// take finds the first free run that is large enough.
func (e *extents) take(count uint32) (place extent, ok bool) {
	if count == 0 {
		return extent{}, true
	}
	for i := range *e {
		if run := &(*e)[i]; run.count >= count {
			place := extent{run.first, count}
			run.first += count
			run.count -= count
			if run.count == 0 {
				*e = slices.Delete(*e, i, i+1)
			}
			return place, true
		}
	}
	return extent{}, false
}

// left is how many entries are free.
func (e extents) left() (n uint32) {
	for _, run := range e {
		n += run.count
	}
	return n
}

// longest is the longest free run.
func (e extents) longest() (n uint32) {
	for _, run := range e {
		n = max(n, run.count)
	}
	return n
}

// give gives a run back.
func (e *extents) give(place extent) {
	if place.count == 0 {
		return
	}
	free := *e
	i, _ := slices.BinarySearchFunc(free, place, func(a, b extent) int { return int(int64(a.first) - int64(b.first)) })
	free = slices.Insert(free, i, place)
	if i+1 < len(free) && place.first+place.count == free[i+1].first {
		free[i].count += free[i+1].count
		free = slices.Delete(free, i+1, i+2)
	}
	if i > 0 && free[i-1].first+free[i-1].count == free[i].first {
		free[i-1].count += free[i].count
		free = slices.Delete(free, i, i+1)
	}
	*e = free
}
