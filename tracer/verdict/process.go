package verdict

import (
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
}

// next returns the processes of the following snapshot.
func (p processes) next(alive []tracer.ProcessActivity) processes {
	n := processes{make(map[process]activity, len(alive)), make(map[process]activity, len(alive))}
	for _, a := range alive {
		id, total := identifyProcess(a.Process), counts(a.Activity)
		n.total[id] = total
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

// maxKept bounds the verdicts kept of processes that have ended.
const maxKept = 256

// keep saves the verdicts that the processes missing from the next snapshot
// would take with them. It judges by the snapshots before. What others left behind
// that ended earlier was judged then, when they were still the ones to reap it.
func (h *History) keep(next processes) {
	if h.onlyNow || !h.processes.lost(next) {
		return
	}
	bereft := make(map[key]bool)
	for _, o := range h.objects {
		if h.processes.any(o.now.Responsible()) && !next.any(o.now.Responsible()) {
			bereft[o.site.key] = true
		}
	}
	for i := range h.sites {
		s := &h.sites[i]
		k := keyOf(s)
		if !bereft[k] && len(next.total) > 0 {
			continue
		}
		if _, judged := h.kept[k]; judged && h.orphaned(s) {
			continue
		}
		j := h.judge(s)
		j.Ended = true
		h.keepOne(k, j)
	}
}

// lost tells whether a process is missing from the next snapshot.
func (p processes) lost(next processes) bool {
	for id := range p.total {
		if _, alive := next.total[id]; !alive {
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

// Unjudged is how many objects ended with the processes that held them before
// their sites could be accused: they were still too young. Live threads are not
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
