package export

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// humanAge shows two units at most: 4.2s, 14s, 2m10s, 3h05m, 2d04h.
func humanAge(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 9950*time.Millisecond {
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + "s"
	}
	s := int(d.Round(time.Second).Seconds())
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	default:
		return fmt.Sprintf("%dd%02dh", s/86400, s/3600%24)
	}
}

// humanWait is for times to come: 40 s, 14 min, 2 h 22 min, 3 d 4 h.
func humanWait(seconds float64) string {
	const minute, hour, day = 60, 3600, 86400
	s := int(math.Round(seconds))
	switch {
	case s < minute:
		return fmt.Sprintf("%d s", s)
	case s < hour:
		return fmt.Sprintf("%d min", s/minute)
	case s < day:
		return fmt.Sprintf("%d h %d min", s/hour, s%hour/minute)
	case s < 100*day:
		return fmt.Sprintf("%d d %d h", s/day, s%day/hour)
	}
	return "more than 100 days"
}

// humanSpan is a humanAge for spans the user chose: 10s rather than 10.0s.
func humanSpan(seconds float64) string {
	if seconds == math.Trunc(seconds) && seconds < 60 {
		return fmt.Sprintf("%ds", int(seconds))
	}
	return humanAge(seconds)
}

// humanGrowth picks the unit in which a trend is not all zeros.
func humanGrowth(perS float64) string {
	unit, seconds := growthUnit(perS)
	if unit == "" {
		return "0"
	}
	return humanRate(perS*seconds) + "/" + unit
}

// humanRate shows a rate in a unit that was chosen.
func humanRate(n float64) string {
	switch {
	case math.Abs(n) >= 99.95:
		return fmt.Sprintf("%+.0f", n)
	case math.Abs(n) >= 0.05:
		return fmt.Sprintf("%+.1f", n)
	}
	return "0"
}

// growthUnit is the shortest unit of time in which a trend is not all zeros.
func growthUnit(perS float64) (unit string, seconds float64) {
	for _, u := range []struct {
		name    string
		seconds float64
	}{{"s", 1}, {"min", 60}, {"h", 3600}} {
		if math.Abs(perS*u.seconds) >= 0.095 {
			return u.name, u.seconds
		}
	}
	return "", 0
}

// humanCount groups thousands: 1,204.
func humanCount[T int | uint64](n T) string {
	s := strconv.FormatUint(uint64(n), 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// humanBytes is for memory: 38 MiB.
func humanBytes(n uint64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// words names objects of a kind, and what was done to those no longer there.
var words = map[tracer.Kind]struct{ one, many, created, released string }{
	tracer.Zombie:         {"zombie", "zombies", "forked", "reaped"},
	tracer.Thread:         {"thread", "threads", "started", "ended"},
	tracer.UnjoinedThread: {"unjoined thread", "unjoined threads", "ended", "joined or detached"},
	tracer.CloseWait:      {"socket in CLOSE_WAIT", "sockets in CLOSE_WAIT", "opened", "closed"},
	tracer.Goroutine:      {"waiting goroutine", "waiting goroutines", "began to wait", "went on"},
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return humanCount(n) + " " + many
}

// enumerate joins as a sentence does: a, b and c.
func enumerate(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}
