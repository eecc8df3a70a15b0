package export

import (
	"bufio"
	"fmt"
	"io"

	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// Row is what a table says of a site besides its name. Each cell is escaped.
type Row struct {
	// Verdict is LEAK where something has to be done, "accepted" where a leak is
	// suppressed, else the state.
	Verdict                              string
	Kind, Outstanding, Growth, OldestAge string
}

// kind is the site's kind, escaped: in a recording it may be one that this leaktrace
// does not know.
func (s Site) kind() string { return Escape(string(s.Kind)) }

// Row returns the site's cells.
func (s Site) Row() Row {
	row := Row{
		Verdict: string(s.State), Kind: s.kind(),
		Outstanding: humanCount(s.Outstanding), Growth: humanGrowth(s.GrowthPerS), OldestAge: s.oldest(),
	}
	switch {
	case s.accused():
		row.Verdict = "LEAK"
	case s.Leaking:
		row.Verdict = "accepted"
	}
	return row
}

// WriteSite writes all there is to know of one site of the report, as WriteText
// does of those that leak.
func (r *Report) WriteSite(w io.Writer, s Site, o TextOptions) error {
	t := text{bufio.NewWriter(w), r, o}
	t.detail("", s)
	return t.Flush()
}

// Headline returns the verdict in a line, escaped, in parts of which the first
// matters most: what leaks and where, for how long that was watched, and which
// limit what leaks or is suspect reaches first.
func (r *Report) Headline() []string {
	verdict := r.summary()
	if _, suspect, _ := r.split(); len(suspect) > 0 && r.Leaking() == 0 {
		verdict = plural(len(suspect), "site is suspect", "sites are suspect")
	}
	parts := []string{
		fmt.Sprintf("%s in %s (pid %d)", verdict, Escape(r.Target.Comm), r.Target.PID),
		humanAge(r.DurationS),
	}
	if l := r.nextLimit(); l != nil {
		parts = append(parts, Escape(l.Name)+" full in "+humanWait(*l.FullInS))
	}
	return parts
}

// nextLimit is the limit that is reached first, nil if none is near. Of several that
// are reached already it is the fullest.
func (r *Report) nextLimit() *Limit {
	var next *Limit
	consider := func(limits []Limit) {
		for i := range limits {
			l := &limits[i]
			switch {
			case l.wait() > nearWait.Seconds():
			case next == nil, l.wait() < next.wait(), l.wait() == next.wait() && l.Share() > next.Share():
				next = l
			}
		}
	}
	for _, s := range r.Sites {
		if !s.Ended && (s.accused() || s.State == verdict.Suspect) {
			consider(s.Limits)
		}
	}
	consider(r.OwnLimits)
	return next
}
