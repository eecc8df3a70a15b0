package export

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// WritePprof writes the report as a gzipped pprof profile of all outstanding
// objects, with their number and the sum of their ages. What leaks is named above
// whatever pprof shows, and each site is where its stack ends: pprof drops what lies
// below, as a heap profile's allocator. The file has whole stacks.
func (r *Report) WritePprof(w io.Writer) error {
	p, err := r.Profile()
	if err != nil {
		return err
	}
	return p.Write(w)
}

// Profile is what WritePprof writes.
func (r *Report) Profile() (*profile.Profile, error) {
	b := profileBuilder{
		p: &profile.Profile{
			SampleType:        []*profile.ValueType{{Type: "objects", Unit: "count"}, {Type: "age", Unit: "seconds"}},
			DefaultSampleType: "objects",
			// Servers of profiles, and comparisons, want to know it: every object counts.
			PeriodType:    &profile.ValueType{Type: "objects", Unit: "count"},
			Period:        1,
			TimeNanos:     r.Started.UnixNano(),
			DurationNanos: int64(r.DurationS * 1e9),
		},
		mappings:  map[[2]string]*profile.Mapping{},
		functions: map[[2]string]*profile.Function{},
		locations: map[string]*profile.Location{},
	}
	b.p.Comments, b.p.DropFrames = r.comments(), dropFrames(r.Sites)
	// The first mapping is what pprof calls the profile's file.
	if i := slices.IndexFunc(r.Sites, func(s Site) bool { return s.SiteFrame >= 0 }); i >= 0 {
		b.mapping(r.Sites[i].Stack[r.Sites[i].SiteFrame])
	}
	for i := range r.Sites {
		if err := b.addSite(&r.Sites[i]); err != nil {
			return nil, err
		}
	}
	if err := b.p.CheckValid(); err != nil {
		return nil, fmt.Errorf("build pprof profile: %w", err)
	}
	return b.p, nil
}

// ProfileDelta is what has come and gone from one profile of the same target to a
// later one: what both have is left out, and what has gone is negative. It changes
// the first.
func ProfileDelta(before, after *profile.Profile) (*profile.Profile, error) {
	before.Scale(-1)
	delta, err := profile.Merge([]*profile.Profile{before, after})
	if err != nil {
		return nil, fmt.Errorf("compare profiles: %w", err)
	}
	delta.Sample = slices.DeleteFunc(delta.Sample, func(s *profile.Sample) bool { return s.Value[0] == 0 })
	delta.TimeNanos = before.TimeNanos + before.DurationNanos
	delta.DurationNanos = after.TimeNanos + after.DurationNanos - delta.TimeNanos
	delta.Comments, delta.DropFrames = after.Comments, after.DropFrames
	return delta.Compact(), nil
}

// profileBuilder makes each mapping, function and location once.
type profileBuilder struct {
	p         *profile.Profile
	mappings  map[[2]string]*profile.Mapping
	functions map[[2]string]*profile.Function
	locations map[string]*profile.Location
}

// addSite adds one sample for each set of labels.
func (b *profileBuilder) addSite(s *Site) error {
	if err := s.checkObjects(); err != nil {
		return err
	}
	groups := s.grouped()
	stack := b.stack(s)
	for _, g := range groups {
		sample := &profile.Sample{
			Location: stack,
			Value:    []int64{g.Objects, int64(math.Round(g.AgeS))},
			Label:    map[string][]string{"kind": {validUTF8(string(s.Kind))}},
		}
		if w := s.Workload; w != nil {
			setLabel(sample, "namespace", w.Namespace)
			setLabel(sample, "pod", w.Pod)
			setLabel(sample, "container", w.Container)
			setLabel(sample, "comm", w.Comm)
		}
		setLabel(sample, "thread", g.Thread)
		if s.Role == tracer.Started && len(s.Stack) > 0 {
			setLabel(sample, "goroutine", s.Stack[0].Function)
		}
		setLabel(sample, "peer", g.Peer)
		b.p.Sample = append(b.p.Sample, sample)
	}
	return nil
}

func setLabel(s *profile.Sample, key, value string) {
	if value != "" {
		s.Label[key] = []string{validUTF8(value)}
	}
}

// beginning is the first frame of a site that a profile has: of goroutines the go
// statement. pprof could not drop what they began at, for it takes all methods of a
// package for the same function.
func (s *Site) beginning() int {
	if s.Role == tracer.Started {
		return max(0, s.SiteFrame)
	}
	return 0
}

// stack makes one location of each frame together with those inlined into it,
// which come before it.
func (b *profileBuilder) stack(s *Site) []*profile.Location {
	var stack []*profile.Location
	for rest := s.Stack[s.beginning():]; len(rest) > 0; {
		n := 1 + max(0, slices.IndexFunc(rest, func(f symbol.Frame) bool { return !f.Inlined }))
		stack = append(stack, b.location(rest[:n]))
		rest = rest[n:]
	}
	if len(s.Stack) == 0 {
		stack = append(stack, b.location([]symbol.Frame{{Function: s.nameless()}}))
	}
	return stack
}

// location makes a location of frames of one address, innermost first.
func (b *profileBuilder) location(frames []symbol.Frame) *profile.Location {
	id := fmt.Sprintf("%#v", frames)
	if l := b.locations[id]; l != nil {
		return l
	}
	outer := frames[len(frames)-1]
	l := &profile.Location{
		ID:      uint64(len(b.p.Location) + 1),
		Address: outer.Address,
		Mapping: b.mapping(outer),
	}
	for _, f := range frames {
		if f.Function != "" {
			l.Line = append(l.Line, profile.Line{Function: b.function(f), Line: int64(f.Line)})
		}
	}
	b.locations[id] = l
	b.p.Location = append(b.p.Location, l)
	return l
}

// mapping makes a mapping per file. Addresses are those of the ELF file, as if
// each were mapped at 0: reports of two runs then compare.
func (b *profileBuilder) mapping(f symbol.Frame) *profile.Mapping {
	if f.Module == "" {
		return nil
	}
	id := [2]string{f.Module, f.BuildID}
	m := b.mappings[id]
	if m == nil {
		m = &profile.Mapping{
			ID:      uint64(len(b.p.Mapping) + 1),
			File:    validUTF8(f.Module),
			BuildID: validUTF8(f.BuildID),
		}
		b.mappings[id] = m
		b.p.Mapping = append(b.p.Mapping, m)
	}
	m.Limit = max(m.Limit, f.Address+1)
	// What is set here pprof does not try to look up again.
	m.HasFunctions = m.HasFunctions || f.Function != ""
	m.HasFilenames = m.HasFilenames || f.File != ""
	m.HasLineNumbers = m.HasLineNumbers || f.Line != 0
	m.HasInlineFrames = m.HasFunctions
	return m
}

func (b *profileBuilder) function(f symbol.Frame) *profile.Function {
	id := [2]string{f.Function, f.File}
	if fn := b.functions[id]; fn != nil {
		return fn
	}
	fn := &profile.Function{
		ID:       uint64(len(b.p.Function) + 1),
		Name:     validUTF8(plainName(f.Function)),
		Filename: validUTF8(f.File),
	}
	// Where both names are the same pprof shortens them once more, and not well.
	if fn.Name != f.Function {
		fn.SystemName = validUTF8(f.Function)
	}
	b.functions[id] = fn
	b.p.Function = append(b.p.Function, fn)
	return fn
}

// validUTF8 is what protocol buffers require of strings.
func validUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
