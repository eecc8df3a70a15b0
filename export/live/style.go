package live

import (
	"charm.land/lipgloss/v2"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// The colours are the terminal's own, which its user can read on the background
// he chose; yellow and green are not among them, for on white few can. No colour
// says what no word says.
var (
	bold     = lipgloss.NewStyle().Bold(true)
	faint    = lipgloss.NewStyle().Faint(true)
	alarm    = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red)
	doubt    = lipgloss.NewStyle().Foreground(lipgloss.Magenta)
	plain    = lipgloss.NewStyle()
	selected = lipgloss.NewStyle().Reverse(true)
)

// styleOf is how a site of that verdict is drawn.
func styleOf(s *export.Site) lipgloss.Style {
	switch {
	case s.Suppressed != "":
		return faint
	case s.Leaking:
		return alarm
	case s.State == verdict.Suspect:
		return doubt
	case s.State == verdict.Steady:
		return plain
	}
	return faint
}

// styleOfAll is how the verdict on a run is drawn.
func styleOfAll(r *export.Report) lipgloss.Style {
	if r.Leaking() > 0 {
		return alarm
	}
	for i := range r.Sites {
		if s := &r.Sites[i]; s.State == verdict.Suspect && s.Suppressed == "" {
			return doubt.Bold(true)
		}
	}
	return bold
}
