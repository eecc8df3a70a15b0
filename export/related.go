package export

import (
	"cmp"
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
		s.CreatedBy = related(objects, func(o *tracer.SocketInfo) *tracer.Stack { return o.Creation })
	} else {
		s.LastUsedBy = related(objects, func(o *tracer.SocketInfo) *tracer.Stack { return o.LastUse })
	}
}

// related counts one stack of each socket, most common first.
func related(objects []tracer.Object, stack func(*tracer.SocketInfo) *tracer.Stack) []Related {
	stacks := newStackIndex()
	var all []Related
	for _, o := range objects {
		if o.Socket == nil {
			continue
		}
		st := stack(o.Socket)
		if st == nil || len(st.Frames) == 0 {
			continue
		}
		i := stacks.of(st.Frames)
		if i == len(all) {
			all = append(all, Related{Site: newPlace(st.Frames[st.Site]), SiteFrame: st.Site, Stack: st.Frames})
		}
		all[i].Count++
	}
	slices.SortStableFunc(all, func(a, b Related) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(len(all), maxRelated)]
}

// stackIndex numbers stacks by what they read. Most objects of a site share one
// slice of frames, and to look at all of them each time takes long.
type stackIndex struct {
	stacks  [][]symbol.Frame
	byHash  map[uint64][]int
	bySlice map[frames]int
}

// frames is the identity of a slice of frames.
type frames struct {
	first *symbol.Frame
	n     int
}

func newStackIndex() *stackIndex {
	return &stackIndex{byHash: make(map[uint64][]int), bySlice: make(map[frames]int)}
}

// of returns the number of a stack, the next one if it is new. It has a frame.
func (x *stackIndex) of(stack []symbol.Frame) int {
	id := frames{&stack[0], len(stack)}
	i, known := x.bySlice[id]
	if !known {
		i = x.find(stack)
		x.bySlice[id] = i
	}
	return i
}

// find is of without a look at which slice it is.
func (x *stackIndex) find(stack []symbol.Frame) int {
	hash := uint64(0)
	for i := range stack {
		hash = (hash ^ stack[i].Address) * 0x9e3779b97f4a7c15
	}
	for _, i := range x.byHash[hash] {
		if slices.Equal(x.stacks[i], stack) {
			return i
		}
	}
	x.stacks = append(x.stacks, stack)
	x.byHash[hash] = append(x.byHash[hash], len(x.stacks)-1)
	return len(x.stacks) - 1
}

// names counts what threads and children are called, most common first. Where
// they are numbered, it counts them without their numbers.
func names(objects []tracer.Object) []Name {
	counts := make(map[string]int)
	for i := range objects {
		if name := objects[i].Name; name != "" {
			counts[name]++
		}
	}
	if len(counts) > maxRelated {
		groups := make(map[string]int)
		for name, n := range counts {
			groups[tracer.NameGroup(name)] += n
		}
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
