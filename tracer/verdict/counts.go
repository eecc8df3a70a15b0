package verdict

import "time"

// maxCounts bounds the counts of a site: as many as a small graph can show.
const maxCounts = 64

// Count is how many objects a site held at a time.
type Count struct {
	// At is since tracing began.
	At time.Duration
	N  int
}

// counts is what a site held in the course of the run: the last count of each of
// maxCounts equal parts of it, but those in a row of equal ones that its ends tell.
func (h *History) counts(r *record) []Count {
	ends := h.axis.ends
	run := ends[len(ends)-1]
	var out []Count
	for i := range ends {
		if i+1 < len(ends) && slot(ends[i+1], run, maxCounts-1) == slot(ends[i], run, maxCounts-1) {
			continue
		}
		c := Count{ends[i], int(r.at(&h.axis, i).last)}
		if n := len(out); n > 1 && out[n-1].N == c.N && out[n-2].N == c.N {
			out[n-1] = c
			continue
		}
		out = append(out, c)
	}
	return out
}

// slot tells in which of so many equal parts of a stretch a time is, the last of
// them being the end itself.
func slot(at, length time.Duration, parts int) int {
	return int(float64(parts) * float64(at) / float64(max(length, 1)))
}
