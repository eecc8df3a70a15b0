package verdict

import (
	"net/netip"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// identity is what an object is known by from one snapshot to the next. A
// socket keeps it when another site takes the blame, as its last user.
type identity struct {
	kind        tracer.Kind
	fingerprint string
	id          int
	// remote tells sockets apart that nobody has accepted: they have no inode.
	remote netip.AddrPort
}

func (k key) identify(o *tracer.Object) identity {
	i := identity{kind: k.kind, id: o.ID}
	switch {
	case o.Socket == nil:
		i.fingerprint = k.fingerprint
	case o.ID == 0:
		i.remote = o.Socket.Remote
	}
	return i
}

// remembered returns what is remembered of an object of the last snapshot.
func (h *History) remembered(s *tracer.Site, i int) *object {
	return h.objects[keyOf(s).identify(&s.Outstanding[i])]
}

// object is what is remembered of an outstanding object. Its times are those
// of the run's clock; they are negative for what happened before tracing.
type object struct {
	site    key
	created time.Time
	since   time.Duration
	// lastUsed is the use that was seen last, used when that was.
	lastUsed time.Time
	used     time.Duration
	before   bool
	// holders are the processes that can give it back. watched tells that one
	// of them is or was known to be traced.
	holders []tracer.Process
	watched bool
	seen    uint64 // number of the snapshot
}

// reuse is by how much later an object must have been created to be another
// one of the same number: sockets that nobody accepted may share theirs.
const reuse = time.Second

// track finds or begins the memory of an object in the current snapshot.
func (h *History) track(k key, o *tracer.Object, step time.Duration) *object {
	id := k.identify(o)
	known := h.objects[id]
	if known != nil && known.seen != h.number && o.Created.Sub(known.created) > reuse {
		h.vanished(known)
		known = nil
	}
	if known == nil {
		known = &object{created: o.Created, before: o.BeforeTracing}
		known.since = h.clock.now - h.elapsed(o.Since, step, o.BeforeTracing)
		known.used = known.since
		h.objects[id] = known
	}
	known.site, known.seen = k, h.number
	known.holders = o.Responsible()
	known.watched = known.watched || h.processes.any(known.holders)
	if o.Socket != nil && o.Socket.LastUsed.After(known.lastUsed) {
		known.lastUsed = o.Socket.LastUsed
		known.used = max(known.since, h.clock.now-h.elapsed(known.lastUsed, step, o.BeforeTracing))
	}
	return known
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
// a process that ended.
func (h *History) vanished(o *object) {
	if o.watched && !h.processes.any(o.holders) {
		if _, kept := h.kept[o.site]; !kept && o.site.kind != tracer.Thread {
			h.unjudged++
		}
		return
	}
	r := h.records[o.site]
	if r == nil {
		return
	}
	// It lived until somewhere between the two snapshots.
	sighted := h.axis.ends[len(h.axis.ends)-1]
	r.ended(sighted-o.since, (sighted+h.clock.now)/2-o.since, h.base)
}
