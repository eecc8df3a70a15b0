package export

import (
	"bufio"
	"fmt"
	"io"
	"path"
	"slices"
)

func newText(w io.Writer, r *Report, o TextOptions) text { return text{bufio.NewWriter(w), r, o} }

// maxStatic is how many leaking sites are listed without a script, beside maxSuspects.
const maxStatic = 20

// WriteHTML writes the report as a page of one file that needs no network: the verdict
// and the sites that leak first, then a flame graph and all there is to know of each site.
func (r *Report) WriteHTML(w io.Writer, o HTMLOptions) error {
	head := lines(r, r.writeHeadline)
	leaking, suspect, _ := r.split()
	p := page{
		Title:    head[0],
		Headline: head[0],
		Notes:    append(head[1:], "tracing began "+instant(r.Started)),
		Limit:    r.firstFull(),
		Leaking:  len(leaking) > 0,
		Titles:   []string{"site", "kind", "outstanding", "growth", "oldest", "verdict"},
		Footer:   slices.Concat(lines(r, r.writeFooter), lines(r, r.writeUnused)),
	}
	p.list(leaking, suspect)
	return p.write(w, r.payload(o))
}

// list fills the table, which is without a script all there is of a site.
func (p *page) list(leaking, suspect []Site) {
	for _, s := range slices.Concat(leaking[:min(len(leaking), maxStatic)], suspect[:min(len(suspect), maxSuspects)]) {
		p.Rows = append(p.Rows, s.row())
	}
	var more []string
	if n := len(leaking) - maxStatic; n > 0 {
		more = append(more, plural(n, "more site leaks", "more sites leak"))
	}
	if n := len(suspect) - maxSuspects; n > 0 {
		more = append(more, plural(n, "more site is suspect", "more sites are suspect"))
	}
	if len(more) > 0 {
		p.More = "… and " + enumerate(more)
	}
}

// firstFull says which limit is reached first, and when. Empty if none is near.
func (r *Report) firstFull() string {
	l := r.nextLimit()
	if l == nil {
		return ""
	}
	name := shown(Escape(l.Name))
	if l.wait() <= 0 {
		return name + " is reached"
	}
	return fmt.Sprintf("%s is reached in %s at this rate", name, humanWait(l.wait()))
}

func (s Site) row() pageRow {
	name, location := s.parts()
	if s.Workload != nil {
		location += " of " + shown(s.Workload.String())
	}
	return pageRow{name, location, []string{
		shown(Escape(string(s.Kind))), humanCount(s.Outstanding), humanGrowth(s.GrowthPerS), s.oldest(), string(s.State),
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
