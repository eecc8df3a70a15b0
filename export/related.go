package export

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// maxRelated bounds the stacks and names that are listed beside a site's own.
const maxRelated = 3

// Related is a stack that so many of a site's objects have in common.
type Related struct {
	Count     int            `json:"count"`
	Site      Place          `json:"site"`
	SiteFrame int            `json:"site_frame"`
	Stack     []symbol.Frame `json:"stack"`
}

// Name is what so many threads or children are called.
type Name struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// relate adds the stacks that the site's own does not show.
func (s *Site) relate(objects []tracer.Object) {
	if s.Role == tracer.LastUsed {
		s.CreatedBy = related(objects, func(o *tracer.SocketInfo) tracer.Stack { return o.Creation })
	} else {
		s.LastUsedBy = related(objects, func(o *tracer.SocketInfo) tracer.Stack { return o.LastUse })
	}
}

// related counts one stack of each socket, most common first.
func related(objects []tracer.Object, stack func(*tracer.SocketInfo) tracer.Stack) []Related {
	index := make(map[string]int)
	var all []Related
	for _, o := range objects {
		if o.Socket == nil {
			continue
		}
		st := stack(o.Socket)
		if len(st.Frames) == 0 {
			continue
		}
		key := fmt.Sprint(st.Frames)
		if _, known := index[key]; !known {
			index[key] = len(all)
			all = append(all, Related{Site: newPlace(st.Frames[st.Site]), SiteFrame: st.Site, Stack: st.Frames})
		}
		all[index[key]].Count++
	}
	slices.SortStableFunc(all, func(a, b Related) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(len(all), maxRelated)]
}

// names counts what threads and children are called, most common first. Where
// they are numbered, it counts them without their numbers.
func names(objects []tracer.Object) []Name {
	counts, groups := make(map[string]int), make(map[string]int)
	for _, o := range objects {
		if o.Name != "" {
			counts[o.Name]++
			groups[tracer.NameGroup(o.Name)]++
		}
	}
	if len(counts) > maxRelated {
		counts = groups
	}
	var all []Name
	for name, n := range counts {
		all = append(all, Name{name, n})
	}
	slices.SortFunc(all, func(a, b Name) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), maxRelated)]
}

func newPlace(f symbol.Frame) Place { return Place{f.Function, f.File, f.Line, f.Module} }
