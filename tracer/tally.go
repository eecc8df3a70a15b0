package tracer

// tally is how many objects one stack created and how many of them were given
// back. The numbers never shrink, however busy the program is while they are
// read: what is not certain yet is left to the next snapshot.
type tally struct {
	// counted is the kernel's count up to the last turn of the maps.
	counted uint64
	// created and released count the objects; of threads released ones are
	// those that ended.
	created, released uint64
	// joined counts, of the threads that ended, those joined or detached; ended
	// is at least as many as are known to have ended.
	ended, joined uint64
	// taken counts those that ended and were not joined when their process took them
	// along. One that no snapshot has seen, or only just after its end, may have been
	// joined: it is not counted, nor is one that ran as long as its process.
	taken uint64
	// used is the age at which the stack last created an object or had one.
	used uint32
}

// update adds what a snapshot has found: creations counted since the turn,
// objects present, finished threads held, and those taken along since the last one. The
// objects were read after the turn: what was counted before it and does not show was
// given back.
func (t *tally) update(since, present, held, taken uint64) {
	t.taken += taken
	t.released = max(t.released, less(t.counted, present))
	// What shows may not be counted yet.
	t.created = max(t.created, t.counted+since, t.released+present)
	t.joined = max(t.joined, less(t.released, held+t.taken))
	t.ended = max(t.ended, t.released, t.joined+held+t.taken)
}

// less is a - b, or 0 if that is negative.
func less(a, b uint64) uint64 { return a - min(a, b) }

// settle is for a stack that has no object left: all were given back, or taken along.
func (t *tally) settle() {
	t.released = t.created
	t.ended = max(t.ended, t.released)
	t.joined = max(t.joined, less(t.ended, t.taken))
}

// each gives what the tally of a stack says of each kind.
func (t *tally) each(id uint64, count func(kind Kind, created, released uint64)) {
	switch ledgerLeakKind(id & stackKindMask) {
	case ledgerLeakKindLEAK_CHILD:
		count(Zombie, t.created, t.released)
	case ledgerLeakKindLEAK_SOCKET:
		count(CloseWait, t.created, t.released)
	case ledgerLeakKindLEAK_THREAD:
		count(Thread, t.created, t.released)
		count(UnjoinedThread, t.ended, t.joined)
	}
}

// tally returns the tally of a stack, beginning one if need be.
func (t *Tracer) tally(id uint64) *tally {
	known := t.tallies[id]
	if known == nil {
		known = &tally{used: t.age}
		t.tallies[id] = known
	}
	return known
}

// count adds the creations of one turn.
func (t *Tracer) count(created map[uint64]uint64) {
	for id, n := range created {
		known := t.tally(id)
		known.counted += n
		known.used = t.age
	}
}

// updateTallies brings every tally up to date.
func (t *Tracer) updateTallies(l *ledger, threads *verdicts) {
	present := make(map[uint64]uint64)
	for i := range l.tasks {
		present[l.tasks[i].Birth.Stack]++
	}
	for i := range l.sockets {
		present[l.sockets[i].Birth.Stack]++
	}
	delete(present, 0) // older than tracing
	for _, used := range []map[uint64]uint64{l.since, present, threads.unjoined, threads.taken} {
		for id := range used {
			t.tally(id).used = t.age
		}
	}
	for id, tally := range t.tallies {
		tally.update(l.since[id], present[id], threads.unjoined[id], threads.taken[id])
	}
}
