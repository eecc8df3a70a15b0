package verdict

import (
	"net/netip"
	"time"
	"unique"

	"github.com/leaktrace/leaktrace/tracer"
)

// identity is what an object is known by from one snapshot to the next. A
// socket keeps it when another site takes the blame, as its last user.
type identity struct {
	site *record // nil for sockets
	id   int
	// remote tells sockets apart that nobody has accepted: they have no inode.
	remote unique.Handle[netip.AddrPort]
}

func (r *record) identify(o *tracer.Object) identity {
	switch {
	case o.Socket == nil:
		return identity{site: r, id: o.ID}
	case o.ID == 0:
		return identity{remote: unique.Make(o.Socket.Remote)}
	}
	return identity{id: o.ID}
}

// object is what is remembered of an outstanding object: as little as will do,
// for a node has 100,000 of them. Its times are those of the run's clock; they are
// negative for what happened before tracing.
type object struct {
	site *record
	// now is the object in the snapshot that showed it last.
	now     *tracer.Object
	created int64 // when it was seen first, in Unix nanoseconds
	since   time.Duration
	// lastUsed is the use that was seen last, in Unix nanoseconds, or 0, and used
	// when that was.
	lastUsed int64
	used     time.Duration
	seen     uint32 // low bits of the number of the snapshot
	before   bool
	// watched tells that one of the processes that can give it back is or was
	// known to be traced.
	watched bool
}

// reuse is by how much later an object must have been created to be another
// one of the same number: sockets that nobody accepted may share theirs.
const reuse = time.Second

// track finds or begins the memory of an object in the current snapshot.
func (h *History) track(r *record, o *tracer.Object, step time.Duration) *object {
	id := r.identify(o)
	known, created := h.objects[id], o.Created.UnixNano()
	if known != nil && known.seen != h.number && (created-known.created > int64(reuse) || h.processes.execEnded(known.now)) {
		h.vanished(known)
		known = nil
	}
	if known == nil {
		known = &object{created: created, before: o.BeforeTracing}
		known.since = h.clock.now - h.elapsed(o.Since, step, o.BeforeTracing)
		known.used = known.since
		h.objects[id] = known
	}
	known.site, known.now, known.seen = r, o, h.number
	known.watched = known.watched || h.processes.any(o.Responsible())
	if o.Socket != nil && !o.Socket.LastUsed.IsZero() && o.Socket.LastUsed.UnixNano() > known.lastUsed {
		known.lastUsed = o.Socket.LastUsed.UnixNano()
		known.used = max(known.since, h.clock.now-h.elapsed(o.Socket.LastUsed, step, o.BeforeTracing))
	}
	return known
}

// orphan tells that all who could give an object back have ended.
func (h *History) orphan(o *object) bool {
	return o.watched && !h.processes.any(o.now.Responsible())
}

// elapsed is how long ago something was. What is new in this snapshot happened
// since the one before, whatever the clock says, unless it was before tracing.
func (h *History) elapsed(at time.Time, step time.Duration, before bool) time.Duration {
	d := max(0, h.clock.wall.Sub(at))
	if before {
		return d
	}
	return min(d, step)
}

// age and idle are how long an object has been outstanding and unused.
func (h *History) age(o *object) time.Duration  { return h.clock.now - o.since }
func (h *History) idle(o *object) time.Duration { return h.clock.now - o.used }

// sweep forgets what the current snapshot does not show any more.
func (h *History) sweep() {
	for id, o := range h.objects {
		if o.seen != h.number {
			h.vanished(o)
			delete(h.objects, id)
		}
	}
}

// vanished notes that an object was given back, unless the kernel took it from
// a process that ended or called exec.
func (h *History) vanished(o *object) {
	if o.watched && !h.processes.hold(o.now) {
		if _, kept := h.kept[o.site.key]; !kept && !o.site.kind.Live() {
			h.unjudged++
		}
		return
	}
	// It lived until somewhere between the two snapshots.
	sighted := h.axis.ends[len(h.axis.ends)-1]
	o.site.ended(sighted-o.since, (sighted+h.clock.now)/2-o.since, h.base)
}
