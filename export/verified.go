package export

import (
	"fmt"

	"github.com/leaktrace/leaktrace/tracer"
)

// Verified is a process whose goroutines were verified: in so many scans of its memory, of
// which the last found so many unreachable. AgoS is how long before the end these were.
type Verified struct {
	Process
	Scans       int     `json:"scans"`
	Unreachable int     `json:"unreachable"`
	AgoS        float64 `json:"ago_s"`
}

func verifiedOf(last *tracer.Snapshot) (all []Verified) {
	for _, v := range last.Verified {
		all = append(all, Verified{Process{v.Process.PID, v.Process.Comm}, v.Scans, v.Unreachable, seconds(v.Ago)})
	}
	return all
}

// longAgo is how long ago scans were, in seconds, that do not tell of all there is.
const longAgo = 10

// maxVerified is how many processes are listed that were verified.
const maxVerified = 5

// writeNotes says what was verified, and what could not be looked at.
func (r *Report) writeNotes(t text) {
	for _, v := range r.Verified[:min(len(r.Verified), maxVerified)] {
		t.sentence("", "%s", v.line())
	}
	if n := len(r.Verified) - maxVerified; n > 0 {
		t.sentence("", "and those of %s", plural(n, "more process", "more processes"))
	}
	for _, note := range r.Notes {
		t.sentence("", "%s", Escape(note))
	}
}

func (v Verified) line() string {
	said := fmt.Sprintf("goroutines of %s (pid %d) verified: %s, ", Escape(v.Comm), v.PID, plural(v.Scans, "scan", "scans"))
	if v.AgoS >= longAgo {
		said += fmt.Sprintf("the last %s before the end, ", humanSpan(v.AgoS))
	}
	if v.Unreachable > 0 {
		return said + humanCount(v.Unreachable) + " unreachable"
	}
	return said + "nothing unreachable"
}
