package export

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// maxComments is how many leaks are named above what pprof shows.
const maxComments = 10

// comments are the verdict as pprof shows it above each of its reports: its tables
// are of functions, and a reader wants the lines.
func (r *Report) comments() []string {
	leaking, _, _ := r.split()
	all := []string{r.headline()}
	if damage := r.Damage(); damage != "" {
		all = append(all, "the recording is "+damage)
	}
	for _, s := range leaking[:min(len(leaking), maxComments)] {
		line := fmt.Sprintf("LEAK: %s  %s  %s outstanding, %s",
			s.kind(), s.title(80), humanCount(s.Outstanding), humanGrowth(s.GrowthPerS))
		if u := s.Unreachable; u != nil {
			line += fmt.Sprintf(", %s unreachable in the last %d scans", humanCount(u.Goroutines), u.Scans)
		}
		all = append(all, line)
	}
	if n := len(leaking) - maxComments; n > 0 {
		all = append(all, "... and "+plural(n, "more site", "more sites"))
	}
	return all
}

// dropFrames is an expression for the functions that sites call: pprof leaves out
// them and what they call. A function that is part of the way to a site anywhere
// stays, for pprof drops it everywhere.
func dropFrames(sites []Site) string {
	below, kept := map[string]bool{}, map[string]bool{}
	for _, s := range sites {
		for i, f := range s.Stack {
			name := regexp.QuoteMeta(validUTF8(withoutArguments(plainName(f.Function))))
			if name == "" {
				continue
			}
			if i < s.SiteFrame {
				below[name] = true
			} else {
				kept[name] = true
			}
		}
	}
	maps.DeleteFunc(below, func(name string, _ bool) bool { return kept[name] })
	return strings.Join(slices.Sorted(maps.Keys(below)), "|")
}

// plainName is a function's name without parameters and template arguments, as pprof
// shows those of C++.
func plainName(name string) string {
	return strings.NewReplacer("operator()", "operator()", "<>", "", "()", "").Replace(collapse(name))
}

// withoutArguments is a function's name as pprof compares it with dropFrames.
func withoutArguments(name string) string {
	name = strings.TrimPrefix(name, ".")
	for i := range len(name) {
		anonymous := strings.HasPrefix(name[i:], "(anonymous namespace)")
		operator := strings.HasPrefix(name[i:], "()") && strings.HasSuffix(name[:i], "operator")
		if name[i] == '(' && !anonymous && !operator {
			return name[:i]
		}
	}
	return name
}
