package tracer

import (
	"cmp"
	"slices"
	"time"
)

// The low bits of a stack id, as in bpf/ledger.h.
const (
	stackKindMask = 7  // LEAK_KIND_MASK
	stackIDMask   = 15 // LEAK_ID_MASK
	idRescued     = 8  // LEAK_ID_RESCUED
	idUnsampled   = 16 // LEAK_ID_UNSAMPLED
	scopeShift    = 32 // LEAK_ID_SCOPE_SHIFT
)

// siteKey tells sites apart.
type siteKey struct {
	kind        Kind
	fingerprint string
	scope       uint32
}

// siteBuilder is a site whose stack is not chosen yet: stacks that differ in
// addresses only are one site, and it shows the one with most outstanding.
type siteBuilder struct {
	Site
	byStack map[uint64]int
	frames  map[uint64]int // which frame of a stack to show, if not the usual
	sorted  bool           // the objects are in order
}

// builder groups objects and counts by site.
type builder struct {
	tracer    *Tracer
	clock     clock
	now       time.Time
	sites     map[siteKey]*siteBuilder
	inits     map[Process]bool // which reapers are their namespace's pid 1
	listening map[uint16]bool  // as in ledger
	going     going
	borrowers map[[2]uint64]int // what borrower has found out
	byOrigin  map[originKey]*siteBuilder
	comms     comms
	scopes    map[processKey]uint32 // of the processes that were listed
	// seen is what has been seen first, and when: the next tracer.seen.
	seen map[seenKey]time.Time
	// infos is what is known of the sockets: the next tracer.infos.
	infos map[uint64]*SocketInfo
}

// originKey is what of an origin with a stack makes its site.
type originKey struct {
	stack    uint64
	scope    uint32
	kind     byte // the first letter: no two begin with the same
	lastUsed bool
}

// site returns the site of an origin for one kind.
func (b *builder) site(kind Kind, from origin, scope uint32) *siteBuilder {
	if from.group != "" {
		return b.newSite(kind, from, scope)
	}
	key := originKey{from.stack, scope, kind[0], from.role == LastUsed}
	s := b.byOrigin[key]
	if s == nil {
		s = b.newSite(kind, from, scope)
		b.byOrigin[key] = s
	}
	return s
}

// newSite is site by fingerprint: stacks that differ may have the same.
func (b *builder) newSite(kind Kind, from origin, scope uint32) *siteBuilder {
	key := siteKey{kind, b.tracer.stacks.fingerprint(kind, from), scope}
	s := b.sites[key]
	if s == nil {
		s = &siteBuilder{
			Site: Site{
				Kind: kind, Scope: b.tracer.scopes.get(scope),
				Fingerprint: key.fingerprint, Role: from.role, Group: from.group,
				Outstanding: make([]Object, 0, b.tracer.sizes[key]),
			},
			byStack: make(map[uint64]int), frames: make(map[uint64]int),
		}
		b.sites[key] = s
	}
	return s
}

// outstanding adds an object to its site. birth is the stack that created it.
func (b *builder) outstanding(from origin, birth uint64, o *Object) {
	if !b.tracer.wants(o.Kind) || b.isGoing(o) {
		return
	}
	scope := b.scope(birth, o)
	if b.tracer.scopes.muted(scope) {
		return // it was recorded while its cgroup was admitted
	}
	s := b.site(o.Kind, from, scope)
	s.byStack[from.stack]++
	if from.frame >= 0 {
		s.frames[from.stack] = from.frame
	}
	s.Outstanding = append(s.Outstanding, *o)
}

// isGoing tells whether an object goes with all that could give it back.
func (b *builder) isGoing(o *Object) bool {
	if len(b.going.ended)+len(b.going.replaced) == 0 {
		return false
	}
	anybody := false
	for p := range o.Responsible() {
		if !b.going.takes(o, p.PID) {
			return false
		}
		anybody = true
	}
	return anybody
}

// createdBy is the origin of a task.
func (b *builder) createdBy(stack uint64, o *Object) origin {
	if unsampled(stack) {
		return b.tracer.stacks.countedAt(o.Kind, stack)
	}
	if o.Kind == Thread && b.ofGoRuntime(stack, o) {
		return origin{frame: -1, group: GoThreads}
	}
	if len(b.tracer.stacks.get(stack).Frames) == 0 {
		return origin{stack: stack, frame: -1, group: o.group()}
	}
	return origin{stack: stack, role: Created, frame: -1}
}

// ofGoRuntime tells whether a thread is one of the Go runtime's: by where it was
// created or, where that was not seen, by what its process is.
func (b *builder) ofGoRuntime(stack uint64, o *Object) bool {
	known := b.tracer.stacks.known[stack]
	if known != nil && len(known.Frames) > 0 {
		return known.goThread
	}
	owner := b.tracer.processes[o.Owner.PID]
	return owner != nil && owner.space != nil && owner.space.goOnly()
}

// object fills in what all kinds have.
func (b *builder) object(kind Kind, birth *ledgerLeakBirth, since uint64) Object {
	o := Object{
		Kind:          kind,
		Created:       b.clock.time(birth.Created),
		BeforeTracing: birth.BeforeTracing != 0,
		Owner:         Process{PID: int(birth.CreatorTgid), Start: birth.CreatorStart, Comm: b.comms.of(birth.CreatorComm)},
		Since:         b.tracer.started,
	}
	if since != 0 {
		o.Since = b.clock.time(since)
	}
	// Of a socket it is only known that it is older.
	if o.BeforeTracing && o.Created.After(b.tracer.started) {
		o.Created = b.tracer.started
	}
	return o
}

func (b *builder) addTasks(records []ledgerLeakTaskRecord) {
	for i := range records {
		r := &records[i]
		switch {
		case r.Kind == ledgerLeakKindLEAK_THREAD:
			o := b.object(Thread, &r.Birth, r.Birth.Created)
			o.ID, o.Name = int(r.Pid), b.comms.of(r.Comm)
			b.outstanding(b.createdBy(r.Birth.Stack, &o), r.Birth.Stack, &o)
		case r.Zombie != 0:
			o := b.object(Zombie, &r.Birth, r.Exited)
			o.ID, o.Name = int(r.Pid), b.comms.of(r.Comm)
			if r.Birth.Created == 0 {
				// Forked by a process that is not traced, and adopted.
				o.Since = b.firstSeen(seenKey{Zombie, uint64(r.Pid)})
				o.Created = o.Since
			}
			o.Zombie = b.zombieInfo(r)
			b.outstanding(b.createdBy(r.Birth.Stack, &o), r.Birth.Stack, &o)
		}
	}
}

// zombieInfo decodes a wait status (wait(2)) and names the parent.
func (b *builder) zombieInfo(r *ledgerLeakTaskRecord) *ZombieInfo {
	info := &ZombieInfo{
		ExitCode: int(r.ExitCode >> 8 & 0xff),
		Signal:   int(r.ExitCode & 0x7f),
		Reaper:   Process{PID: int(r.ParentTgid), Start: r.ParentStart, Comm: b.comms.of(r.ParentComm)},
	}
	if info.Signal != 0 {
		info.ExitCode = -1
	}
	info.ReaperIsInit = b.isInit(info.Reaper)
	return info
}

// isInit tells whether a process is pid 1 of its pid namespace.
func (b *builder) isInit(p Process) bool {
	is, known := b.inits[p]
	if !known {
		is = innerPID(p.PID) == 1
		b.inits[p] = is
	}
	return is
}

func (b *builder) addThreads(threads []finishedThread) {
	for i := range threads {
		thread := &threads[i]
		o := b.object(UnjoinedThread, &thread.Birth, thread.Exited)
		o.ID, o.Name = int(thread.Tid), b.comms.of(thread.Comm)
		b.outstanding(b.createdBy(thread.Birth.Stack, &o), thread.Birth.Stack, &o)
	}
}

// seenKey names an object whose creation was not seen.
type seenKey struct {
	kind Kind
	id   uint64
}

// firstSeen is the time of the first snapshot that showed an object.
func (b *builder) firstSeen(key seenKey) time.Time {
	at, ok := b.tracer.seen[key]
	if !ok {
		at = b.now
	}
	b.seen[key] = at
	return at
}

// addTallies adds what was created and given back, also where nothing is left.
func (b *builder) addTallies() {
	for id, n := range b.tracer.tallies {
		n.each(id, func(kind Kind, created, released uint64) { b.count(kind, id, created, released) })
	}
}

// addPast adds what stacks created that are forgotten.
func (b *builder) addPast() {
	for key, past := range b.tracer.past {
		if !b.tracer.wants(key.kind) || b.tracer.scopes.muted(key.scope) {
			continue
		}
		s := b.sites[key]
		if s == nil {
			s = &siteBuilder{Site: past.Site}
			b.sites[key] = s
			continue
		}
		past.used = b.tracer.age
		s.Created += past.Created
		s.Released += past.Released
	}
}

// countedAt is the origin of what a stack created.
func (ss *stacks) countedAt(kind Kind, stack uint64) origin {
	if unsampled(stack) {
		return origin{stack: stack, frame: -1, group: NotSampled}
	}
	if known := ss.known[stack]; kind == Thread && known != nil && known.goThread {
		return origin{frame: -1, group: GoThreads}
	}
	return origin{stack: stack, role: Created, frame: -1}
}

func (b *builder) count(kind Kind, id, created, released uint64) {
	scope := b.tracer.stacks.scope(id)
	if created == 0 || !b.tracer.wants(kind) || b.tracer.scopes.muted(scope) {
		return
	}
	from := b.tracer.stacks.countedAt(kind, id)
	s := b.site(kind, from, scope)
	s.byStack[from.stack] += 0 // shows this stack if no object has one
	s.Created += created
	s.Released += released
}

// finish chooses each site's stack and sorts.
func (b *builder) finish() []Site {
	out := make([]Site, 0, len(b.sites))
	clear(b.tracer.sizes)
	for key, s := range b.sites {
		b.tracer.sizes[key] = len(s.Outstanding)
		var best uint64
		for id, n := range s.byStack {
			if known := s.byStack[best]; best == 0 || n > known || (n == known && id < best) {
				best = id
			}
		}
		if best != 0 || len(s.Stack.Frames) == 0 {
			s.Stack = b.tracer.stacks.get(best)
		}
		if frame, ok := s.frames[best]; ok {
			s.Stack.Site = frame
		}
		if !s.sorted {
			slices.SortFunc(s.Outstanding, older)
		}
		out = append(out, s.Site)
	}
	slices.SortFunc(out, func(x, y Site) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Fingerprint, y.Fingerprint))
	})
	seenAgain(out)
	return out
}

// older puts the object first that is outstanding for longer.
func older(a, b Object) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) }

// wants reports whether snapshots show a kind.
func (t *Tracer) wants(kind Kind) bool {
	return len(t.options.Kinds) == 0 || slices.Contains(t.options.Kinds, kind)
}
