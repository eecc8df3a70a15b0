package live

import (
	"strings"

	"github.com/leaktrace/leaktrace/export"
)

// bars are the heights of a sparkline, from nothing to the most. A full one would
// touch the line above.
var bars = []rune(" ▁▂▃▄▅▆▇")

// spark draws what was outstanding in the course of so many seconds, from 0 up to
// the most there ever was. Each column shows what was there at its end; before the
// first point nothing is known, and nothing drawn.
func spark(history []export.Point, seconds float64, columns int) string {
	most := 0
	for _, p := range history {
		most = max(most, p.Outstanding)
	}
	var b strings.Builder
	next, now := 0, 0
	for i := range columns {
		end := seconds * float64(i+1) / float64(columns)
		for next < len(history) && (history[next].AtS <= end || i == columns-1) {
			now = history[next].Outstanding
			next++
		}
		b.WriteRune(bars[height(now, most)])
	}
	return b.String()
}

// height is a bar's: 0 for nothing only, the highest for the most.
func height(n, most int) int {
	most = max(1, most)
	return (n*(len(bars)-1) + most - 1) / most
}
