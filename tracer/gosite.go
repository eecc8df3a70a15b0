package tracer

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// goStart is what of a goroutine does not change: where its go statement returns to,
// the function it began at, and what of the application it came to from there.
type goStart struct {
	creator, start uint64
	entry          string
}

// goSite is the goroutines of one process that have one origin.
type goSite struct {
	stack       Stack
	fingerprint string
	name        string // of the function they began at
	system      bool   // they are the runtime's own
	application bool   // that function is the application's

	// created and released leave out what is older than tracing, as of all kinds.
	created, released uint64
	// waiting is oldest first. Snapshots share it: it does not change.
	waiting []Object
	// entered and left are the differences that the current look has found.
	entered []Object
	left    map[int]bool
}

// leave notes that a goroutine does not wait any more, which may be older than tracing.
func (s *goSite) leave(id uint64, before bool) {
	if !before {
		s.released++
	}
	if s.left == nil {
		s.left = make(map[int]bool)
	}
	s.left[int(id)] = true
}

// settle ends a look. What entered has waited for less long than all that were there.
func (s *goSite) settle() {
	if len(s.entered) == 0 && len(s.left) == 0 {
		return
	}
	slices.SortFunc(s.entered, older)
	waiting := make([]Object, 0, len(s.waiting)+len(s.entered))
	for i := range s.waiting {
		if !s.left[s.waiting[i].ID] {
			waiting = append(waiting, s.waiting[i])
		}
	}
	s.waiting, s.entered, s.left = append(waiting, s.entered...), nil, nil
}

// goStack is where goroutines wait.
type goStack struct {
	*content
	entry int // the frame that is the application's and nearest to the root, or -1
	last  *GoroutineInfo
}

// info tells of a goroutine that waits here. Many have the same parent, and share it.
func (where *goStack) info(now GoroutineInfo) *GoroutineInfo {
	now.Parked = &where.Stack
	if where.last == nil || *where.last != now {
		where.last = &now
	}
	return where.last
}

// start returns the site of goroutines by where they began alone.
func (l *goLook) start(g *goroutine.Goroutine) *goSite {
	return l.know(goStart{creator: g.Creator, start: g.Start}, func() *goSite {
		began := l.frames(g.Start + 1) // a return address: the first instruction's
		s := newGoSite(began, l.frames(g.Creator))
		s.system = strings.HasPrefix(s.name, "runtime.")
		return s
	})
}

// know returns a site, which fresh makes the first time. All beyond the most there may be
// are one.
func (l *goLook) know(key goStart, fresh func() *goSite) *goSite {
	s := l.starts[key]
	switch {
	case s != nil:
	case len(l.starts) == maxGoSites:
		s = &l.others
	default:
		s = fresh()
		l.starts[key] = s
		l.sites = append(l.sites, s)
	}
	return s
}

func (l *goLook) frames(pc uint64) []symbol.Frame { return l.tracer.stacks.frames(l.space, 0, pc) }

// newGoSite makes a site of the frames of the function that goroutines began at, or
// what that led to, and of the go statement. The go statement is what a user would
// fix, unless it is a library's.
func newGoSite(began, creator []symbol.Frame) *goSite {
	frames := slices.Concat(began, creator)
	s := &goSite{
		stack:       Stack{Frames: frames, Site: symbol.Site(creator), Quality: Complete},
		fingerprint: symbol.Fingerprint(string(Goroutine), frames),
		application: slices.ContainsFunc(began, symbol.Application),
	}
	if len(began) > 0 {
		s.name = began[len(began)-1].Function
	}
	if s.stack.Site >= 0 {
		s.stack.Site += len(began)
	}
	if own := slices.IndexFunc(began, symbol.Application); own >= 0 && !slices.ContainsFunc(creator, symbol.Application) {
		s.stack.Site = own
	}
	return s
}

// enter notes that a goroutine waits, and where: at least since the last look.
func (l *goLook) enter(w *goWait, g *goroutine.Goroutine, addresses []uint64) {
	where := l.parked(addresses)
	if w.site = l.site(g, where); w.site == &l.others {
		l.crowd++
		return
	}
	if !w.before {
		w.site.created++
	}
	reason := l.runtime.Reason(g.Reason)
	info := GoroutineInfo{
		Parent: int(g.Parent), Reason: reason, Forever: waitsForever(g, reason),
		IO: g.Status == goroutine.Syscall || reason == "IO wait",
	}
	if g.Status == goroutine.Syscall {
		info.Reason = "syscall"
	}
	w.site.entered = append(w.site.entered, Object{
		Kind: Goroutine, Created: l.looked, Since: l.looked, BeforeTracing: w.before,
		Owner: l.owner, ID: int(g.ID), Name: w.site.name, Goroutine: where.info(info),
	})
}

// parked symbolises the stack of a goroutine that waits.
func (l *goLook) parked(addresses []uint64) *goStack {
	key := make([]byte, 0, 8*len(addresses))
	for _, pc := range addresses {
		key = binary.NativeEndian.AppendUint64(key, pc)
	}
	where := l.stacks[string(key)]
	if where == nil {
		where = &goStack{content: l.tracer.stacks.content(whence{space: l.space.id}, addresses, Complete), entry: -1}
		for i, f := range where.Frames {
			if symbol.Application(f) {
				where.entry = i
			}
		}
		if len(l.stacks) == maxGoSites {
			clear(l.stacks) // those that are waited at stay with their goroutines
		}
		l.stacks[string(key)] = where
	}
	return where
}

// site returns the site of a goroutine. Where it began in a library, as those that
// serve connections do, the application's function that it came to tells more; and
// what the compiler wraps around the call of a go statement tells nothing.
func (l *goLook) site(g *goroutine.Goroutine, where *goStack) *goSite {
	s := l.start(g)
	entry, wrapped := where.entry, isWrapper(s.name)
	if wrapped {
		entry = slices.IndexFunc(where.Frames, func(f symbol.Frame) bool { return f.Function == s.name }) - 1
	}
	if s.application && !wrapped || entry < 0 || s == &l.others {
		return s
	}
	first := where.Frames[entry]
	return l.know(goStart{g.Creator, g.Start, first.Function}, func() *goSite {
		first.Inlined = false // of what is inlined into the wrapper this is left
		began := []symbol.Frame{first}
		if !wrapped {
			began = append(began, l.frames(g.Start+1)...)
		}
		return newGoSite(began, l.frames(g.Creator))
	})
}

// isWrapper tells the functions that the compiler makes of go statements whose call
// has arguments: main.restart.gowrap1.
func isWrapper(function string) bool {
	_, number, ok := strings.Cut(function, ".gowrap")
	return ok && strings.Trim(number, "0123456789") == ""
}

// addGoroutines adds what the processes' goroutines wait at, as of the last look.
func (b *builder) addGoroutines(processes []ProcessActivity) {
	for i := range processes {
		owner := processes[i].Process
		key := processKey{owner.PID, owner.Start}
		p := b.tracer.goroutines.byProcess[key]
		if p == nil {
			continue
		}
		p.scope = b.scopes[key]
		for _, from := range p.sites {
			if from.created > 0 || len(from.waiting) > 0 {
				b.addGoSite(from, p.scope)
			}
		}
	}
}

func (b *builder) addGoSite(from *goSite, scope uint32) {
	if b.tracer.scopes.muted(scope) {
		return
	}
	key := siteKey{Goroutine, from.fingerprint, scope}
	s := b.sites[key]
	if s == nil {
		b.sites[key] = &siteBuilder{Site: Site{
			Kind: Goroutine, Scope: b.tracer.scopes.get(scope), Fingerprint: from.fingerprint,
			Stack: from.stack, Role: Started,
			Created: from.created, Released: from.released, Outstanding: from.waiting,
		}, sorted: true}
		return
	}
	s.Created += from.created
	s.Released += from.released
	s.Outstanding = slices.Concat(s.Outstanding, from.waiting)
	s.sorted = false
}

// retireGoroutines adds what an image of a process counted to its sites' past: it is
// gone, and all that waited with it.
func (t *Tracer) retireGoroutines(p *goProcess) {
	if p.err != nil && t.scopes == nil { // a node's report is of what there is
		t.goroutines.unread = last(append(t.goroutines.unread, p.err.Error()), maxNotes)
	}
	for _, s := range p.sites {
		t.past.add(siteKey{Goroutine, s.fingerprint, p.scope}, Site{
			Kind: Goroutine, Scope: t.scopes.get(p.scope), Fingerprint: s.fingerprint,
			Stack: s.stack, Role: Started, Created: s.created, Released: s.created,
		}, t.age)
	}
}
