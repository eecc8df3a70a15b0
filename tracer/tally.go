package tracer

// tally is how many objects one stack created and how many of them were given
// back. The numbers never shrink, however busy the program is while they are
// read: what is not certain yet is left to the next snapshot.
type tally struct {
	// dropped is what the kernel counted before its entry was deleted.
	dropped uint64
	// created and released count the objects; of threads released ones are
	// those that ended.
	created, released uint64
	// joined counts, of the threads that ended, those joined or detached; ended
	// is at least as many as are known to have ended.
	ended, joined uint64
}

// update adds what a snapshot has found: creations counted before and after
// the objects were read, objects present, and finished threads held.
func (t *tally) update(before, after, present, held uint64) {
	t.released = max(t.released, less(t.dropped+before, present))
	// What shows may not be counted yet.
	t.created = max(t.created, t.dropped+after, t.released+present)
	t.joined = max(t.joined, less(t.released, held))
	t.ended = max(t.ended, t.released, t.joined+held)
}

// less is a - b, or 0 if that is negative.
func less(a, b uint64) uint64 { return a - min(a, b) }

// updateTallies brings every tally up to date.
func (t *Tracer) updateTallies(l *ledger, unjoined map[uint64]uint64) {
	present := make(map[uint64]uint64)
	for i := range l.tasks {
		present[l.tasks[i].Birth.Stack]++
	}
	for i := range l.sockets {
		present[l.sockets[i].Birth.Stack]++
	}
	for id := range l.after {
		if t.tallies[id] == nil {
			t.tallies[id] = new(tally)
		}
	}
	for id, tally := range t.tallies {
		tally.update(l.before[id], l.after[id], present[id], unjoined[id])
	}
}
