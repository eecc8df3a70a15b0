package goroutine

// mostCases is how many cases of a select are looked at, and mostAllCases of all those of a
// process. A goroutine that waits for more counts as one that may go on.
const mostCases, mostAllCases = 1 << 10, 1 << 20

// blocked is a goroutine that waits for others of its program.
type blocked struct {
	Goroutine
	// objects are the channels it waits for, or the lock; none if nothing can wake it.
	objects []uint64
	// reached tells that something leads to one of them, so that it may go on.
	reached bool
}

// waitsFor tells which field of runtime.sudog has what is waited for, and whether there
// is any; it is not ok if a goroutine does not wait for others, or its runtime does not
// say for what.
func (r *Runtime) waitsFor(g *Goroutine, l heapLayout) (field uint64, any, ok bool) {
	if g.Status != Waiting && g.Status != Leaked {
		return 0, false, false
	}
	switch r.Reason(g.Reason) {
	case "chan receive", "chan send", "select":
		return l.channel(), true, g.waiting != 0
	case "sync.Mutex.Lock", "sync.RWMutex.RLock", "sync.RWMutex.Lock", "sync.WaitGroup.Wait", "sync.Cond.Wait":
		return l.element(), true, l.locks && g.waiting != 0
	case "chan receive (nil chan)", "chan send (nil chan)", "select (no cases)":
		return 0, false, true
	}
	return 0, false, false
}

// sudogs reads the runtime.sudogs by which goroutines wait, and marks them: each refers to
// what is waited for, and is itself in a list of those that wait there, so nothing may be
// reached by way of them.
func (s *scan) sudogs(all []*blocked, fields []uint64) error {
	next := make([]uint64, len(all))
	for i, b := range all {
		next[i] = b.waiting
	}
	for cases, sum := 0, len(all); len(all) > 0 && cases < mostCases && sum <= mostAllCases; cases++ {
		size := uint64(len(all) * sudogSize)
		if size > s.limits.Bytes {
			return errMany
		}
		s.limits.Bytes -= size
		left := 0
		err := s.readEach(len(all), sudogSize, func(i int) uint64 { return next[i] }, func(i int, b []byte, there bool) {
			is := all[i]
			if !there || word(b, sudogG) != is.address {
				is.reached = true // it has gone on
				return
			}
			s.skip(next[i])
			is.objects = append(is.objects, word(b, fields[i]))
			// Behind the sudog of a lock are those of others that wait for it.
			if link := word(b, s.layout.link()); link != 0 && fields[i] == s.layout.channel() {
				all[left], fields[left], next[left] = is, fields[i], link
				left++
			}
		})
		if err != nil {
			return err
		}
		all, fields, next = all[:left], fields[:left], next[:left]
		sum += left
	}
	for _, b := range all {
		b.reached = true
	}
	return nil
}
