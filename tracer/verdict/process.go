package verdict

import (
	"cmp"
	"iter"

	"github.com/leaktrace/leaktrace/tracer"
)

// activities is how many counts tracer.Activity has.
const activities = 4

// activity is a tracer.Activity that can be looped over.
type activity [activities]uint64

func counts(a tracer.Activity) activity {
	return activity{a.Accepted, a.Connected, a.Forked, a.Started}
}

// process is what a process is known by. Its name may change.
type process struct {
	pid   int
	start uint64
}

func identifyProcess(p tracer.Process) process { return process{p.PID, p.Start} }

// processes is the traced processes that are alive, and what each has done in
// all and since the last snapshot.
type processes struct {
	total map[process]activity
	did   map[process]activity
	// image is what each was last known to execute, and replaced those that have
	// called exec since the last snapshot.
	image    map[process]uint64
	replaced map[process]bool
}

// next returns the processes of the following snapshot.
func (p processes) next(alive []tracer.ProcessActivity) processes {
	n := processes{
		make(map[process]activity, len(alive)), make(map[process]activity, len(alive)),
		make(map[process]uint64, len(alive)), make(map[process]bool),
	}
	for _, a := range alive {
		id, total := identifyProcess(a.Process), counts(a.Activity)
		n.total[id] = total
		n.image[id] = cmp.Or(a.Image, p.image[id])
		if image := p.image[id]; a.Replacing || image != 0 && n.image[id] != image {
			n.replaced[id] = true
		}
		before, known := p.total[id]
		if !known && len(p.total) > 0 {
			before = activity{} // it began after the last snapshot
		} else if !known {
			before = total
		}
		did := activity{}
		for i := range did {
			did[i] = total[i] - min(before[i], total[i])
		}
		n.did[id] = did
	}
	return n
}

// any tells whether one of some processes is alive.
func (p processes) any(some iter.Seq[tracer.Process]) bool {
	for s := range some {
		if _, alive := p.total[identifyProcess(s)]; alive {
			return true
		}
	}
	return false
}

// execEnded tells whether an exec has ended an object of the snapshot before.
func (p processes) execEnded(o *tracer.Object) bool {
	return o.Kind.EndsByExec() && p.replaced[identifyProcess(o.Owner)]
}

// hold tells whether an object of the snapshot before is still there unless it was
// given back.
func (p processes) hold(o *tracer.Object) bool {
	return p.any(o.Responsible()) && !p.execEnded(o)
}

// maxKept bounds the verdicts kept of processes that have ended.
const maxKept = 256

// keep saves the verdicts that processes would take with them which are missing from
// the next snapshot or have called exec before it. It judges by the snapshots before.
// What others left behind that ended earlier was judged then, when they were still the
// ones to reap it.
func (h *History) keep(next processes) {
	if h.onlyNow || !h.processes.lost(next) {
		return
	}
	bereft := h.bereftSites(next)
	for i := range h.sites {
		s := &h.sites[i]
		k := keyOf(s)
		replaced, ok := bereft[k]
		if !ok && len(next.total) > 0 {
			continue
		}
		if _, judged := h.kept[k]; judged && h.orphaned(s) {
			continue
		}
		j := h.judge(s)
		j.Ended, j.Replaced = true, replaced
		h.keepOne(k, j)
	}
}

// bereftSites is the sites that processes hold objects of for the last time, and whether
// all of these live on and have called exec.
func (h *History) bereftSites(next processes) map[key]bool {
	bereft := make(map[key]bool)
	for _, o := range h.objects {
		if !h.processes.any(o.now.Responsible()) || next.hold(o.now) {
			continue
		}
		replaced, known := bereft[o.site.key]
		bereft[o.site.key] = (replaced || !known) && next.any(o.now.Responsible())
	}
	return bereft
}

// lost tells whether a process is missing from the next snapshot, or has called exec.
func (p processes) lost(next processes) bool {
	for id := range p.total {
		if _, alive := next.total[id]; !alive || next.replaced[id] {
			return true
		}
	}
	return false
}

// keepOne keeps the worst verdict on a site, and of many sites the worst.
func (h *History) keepOne(k key, j Site) {
	if known, ok := h.kept[k]; ok && compare(known, j) < 0 {
		return
	}
	h.kept[k] = j
	if len(h.kept) <= maxKept {
		return
	}
	least := k
	for other, site := range h.kept {
		if compare(site, h.kept[least]) > 0 {
			least = other
		}
	}
	delete(h.kept, least)
}

// Unjudged is how many objects ended with the processes that held them, or by their
// exec, before their sites could be accused: they were still too young. Live threads are not
// counted, which end with every process, nor are the sites that Sites reports.
func (h *History) Unjudged() int { return h.unjudged }

// release drops the kept verdicts that only the end of everything justified.
func (h *History) release() {
	if len(h.processes.total) == 0 {
		return
	}
	for k, j := range h.kept {
		if j.State != Leaking {
			delete(h.kept, k)
		}
	}
}
