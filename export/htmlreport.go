package export

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"path"
)

func newText(w io.Writer, r *Report, o TextOptions) text { return text{bufio.NewWriter(w), r, o} }

// maxStatic is how many leaking sites are listed without a script.
const maxStatic = 20

// WriteHTML writes the report as a page of one file that needs no network: the verdict
// and the sites that leak first, then a flame graph and all there is to know of each site.
func (r *Report) WriteHTML(w io.Writer, o HTMLOptions) error {
	head := lines(r, r.writeHeadline)
	leaking, _, _ := r.split()
	p := page{
		Title:    head[0],
		Headline: head[0],
		Notes:    append(head[1:], "tracing began "+instant(r.Started)),
		Leaking:  len(leaking) > 0,
		Footer:   lines(r, r.writeFooter),
	}
	p.Limit = firstFull(leaking)
	p.Titles = []string{"site", "kind", "outstanding", "growth", "oldest"}
	for _, s := range leaking[:min(len(leaking), maxStatic)] {
		p.Rows = append(p.Rows, s.row())
	}
	if n := len(leaking) - maxStatic; n > 0 {
		p.More = "… and " + plural(n, "more site leaks", "more sites leak")
	}
	return p.write(w, r.payload(o))
}

// firstFull says which limit the leaks reach first, and when: of those that are near.
func firstFull(leaking []Site) string {
	var first *Limit
	wait := math.Inf(1)
	for _, s := range leaking {
		for i := range s.Limits {
			l := &s.Limits[i]
			switch left := l.left(); {
			case s.Ended, math.IsInf(left, 1):
			case first == nil, left < wait, left == wait && l.Share() > first.Share():
				first, wait = l, left
			}
		}
	}
	switch {
	case first == nil, wait > farWait:
		return ""
	case wait == 0:
		return Escape(first.Name) + " is reached"
	}
	return fmt.Sprintf("%s is reached in %s at this rate", Escape(first.Name), humanWait(wait))
}

// farWait is from when on a limit is none to hurry for, in seconds.
const farWait = 100 * 86400

// left is how long it takes until the limit is reached, in seconds.
func (l Limit) left() float64 {
	if l.Used >= l.Max {
		return 0
	}
	return l.wait()
}

func (s Site) row() pageRow {
	name, location := s.parts()
	if s.Workload != nil {
		location += " of " + shown(s.Workload.String())
	}
	return pageRow{name, location, []string{
		shown(Escape(string(s.Kind))), humanCount(s.Outstanding), humanGrowth(s.GrowthPerS), s.oldest(),
	}}
}

// maxName is how many characters of a function name a site. All of it is in the stack.
const maxName = 60

// parts are the function that names a site and its file and line, or what else names
// it and nothing.
func (s Site) parts() (name, location string) {
	if s.SiteFrame < 0 {
		return shown(s.nameless()), ""
	}
	f := s.Stack[s.SiteFrame]
	name, location = placeParts(f, path.Base(f.File))
	return shown(shorten(name, maxName) + s.telling()), shown(location)
}
