package goroutine

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// root is memory that leads to the heap.
type root struct {
	part
	bytes []byte
}

// scan is one look through the memory of a process.
type scan struct {
	runtime    *Runtime
	variables  []part
	collected  uint32 // rounds of the garbage collector, twice
	goroutines []Goroutine
	runners    []Goroutine // those of the runtime that run finalizers and cleanups
	*marker
	// roots is what was read of variables and stacks before the heap.
	roots []root
	// blocked are the goroutines that wait for others, by number. Those reached are
	// among them.
	blocked map[uint64]*blocked
}

func (r *Runtime) scanHeap(l Limits) (map[uint64]Goroutine, error) {
	s, err := r.newScan(l)
	if err != nil {
		return nil, err
	}
	defer func() { s.free() }()
	if err := s.begin(); err != nil {
		return nil, err
	}
	for round := 0; ; round++ {
		if err := s.mark(); err != nil {
			return nil, err
		}
		changed, err := s.again()
		switch {
		case err != nil:
			return nil, err
		case round == mostRounds:
			return nil, errRestless
		case round >= fewestRounds && !changed:
			err = s.mark()
			return s.rest(), err
		}
	}
}

// newScan reads the goroutines, and where the heap is.
func (r *Runtime) newScan(l Limits) (*scan, error) {
	known, ok := heapLayouts[release(r.program.Version)]
	if !ok {
		return nil, fmt.Errorf("%w (its version is %q)", errUnknown, r.program.Version)
	}
	variables, err := readVariables(r.memory, r.module, known)
	if err != nil {
		return nil, err
	}
	if r.spans == 0 {
		if r.spans, err = findSpans(r.memory, variables[1].section); err != nil {
			return nil, err
		}
	}
	s := &scan{runtime: r, variables: variables, blocked: make(map[uint64]*blocked), collected: r.collected()}
	s.marker = newMarker(newReader(r.memory, l), known, nil)
	_, err = r.Scan(nil, func(g *Goroutine, _ []uint64) {
		if len(s.goroutines) <= mostVerified {
			s.goroutines = append(s.goroutines, *g)
		}
	})
	if len(s.goroutines) > mostVerified {
		err = errCrowd
	}
	return s, err
}

// collected is runtime.mheap_.sweepgen, the word before allspans: objects are freed from
// when it rises.
func (r *Runtime) collected() uint32 {
	b := make([]byte, 4)
	read(r.memory, b, r.spans-8)
	return binary.LittleEndian.Uint32(b)
}

// begin reads what leads to the heap, and then the heap: what is allocated later than the
// list of spans was read is not there. What a variable or a stack points to is until it is
// collected.
func (s *scan) begin() error {
	if err := s.checkQueues(); err != nil {
		return err
	}
	waiting, fields := s.block()
	for i := range s.goroutines {
		if s.blocked[s.goroutines[i].ID] == nil {
			s.addGoroutine(&s.goroutines[i])
		}
	}
	s.addVariables()
	err := s.readQueue(func(p *part, b []byte) { s.roots = append(s.roots, root{*p, slices.Clone(b)}) })
	if err != nil {
		return err
	}
	if s.heap, err = s.readHeap(s.runtime.spans); err != nil {
		return err
	}
	if err := s.fill(s.memory, &s.limits.Bytes); err != nil {
		return err
	}
	if err := s.wait(waiting, fields); err != nil {
		return err
	}
	return s.checkQueuesAgain()
}

// block finds the goroutines that wait for others, and in which field of a sudog those have
// what for that say so.
func (s *scan) block() (waiting []*blocked, fields []uint64) {
	for i := range s.goroutines {
		g := &s.goroutines[i]
		if field, any, ok := s.runtime.waitsFor(g, s.layout); ok {
			s.blocked[g.ID] = &blocked{Goroutine: *g}
			if any {
				waiting, fields = append(waiting, s.blocked[g.ID]), append(fields, field)
			}
		}
	}
	return waiting, fields
}

// wait has goroutines that wait woken when what they wait for is reached, and begins with
// what leads to the heap.
func (s *scan) wait(waiting []*blocked, fields []uint64) error {
	strays := 0
	for i := range s.goroutines {
		if !s.skip(s.goroutines[i].address) {
			strays++
		}
	}
	if 8*strays > len(s.goroutines) {
		return errNoHeap
	}
	if err := s.sudogs(waiting, fields); err != nil {
		return err
	}
	for _, b := range s.blocked {
		s.await(b)
	}
	for i := range s.roots {
		s.look(&s.roots[i].part, s.roots[i].bytes)
	}
	s.roots = nil
	return s.addRecords()
}

// await has a goroutine woken when something that it waits for is reached. What is not in
// the heap is always there.
func (s *scan) await(b *blocked) {
	for _, address := range b.objects {
		in, i := s.find(address)
		if in == nil {
			b.reached = true
			continue
		}
		number := in.first + uint32(i)
		s.waiters[number] = append(s.waiters[number], b)
	}
	if b.reached {
		s.addGoroutine(&b.Goroutine)
	}
}

// addVariables has the variables of the program looked through.
func (s *scan) addVariables() {
	for _, v := range s.variables {
		s.add(v)
	}
}

// addGoroutine has what a goroutine knows looked through: its stack, and its runtime.g.
func (s *scan) addGoroutine(g *Goroutine) {
	stack := section{g.SP, g.high}
	if !g.still() {
		stack.from = g.low // where it runs just now is not known
	}
	s.add(part{section: stack})
	s.add(part{section: section{g.address, g.address + s.runtime.layout.known()}})
}

// mark marks all that can be reached, and wakes the goroutines that wait for it.
func (s *scan) mark() error {
	for {
		if err := s.drain(); err != nil || len(s.woken) == 0 {
			return err
		}
		woken := s.woken
		s.woken = nil
		for _, b := range woken {
			if !b.reached {
				b.reached = true
				s.addGoroutine(&b.Goroutine)
			}
		}
	}
}

// again has all looked through once more that may have changed meanwhile: variables, the
// stacks of goroutines that may go on, the records beside objects, and of the objects that
// were reached those that are not as they were. changed tells that one has gone on that was
// thought not to.
func (s *scan) again() (changed bool, err error) {
	s.limits.Bytes = s.most // of all that is read now only what is in the copy is kept
	alive := make(map[uint64]bool, len(s.goroutines))
	_, err = s.runtime.Scan(nil, func(g *Goroutine, _ []uint64) {
		alive[g.ID] = true
		b := s.blocked[g.ID]
		if b != nil && !b.reached && g.Waits(&b.Goroutine) {
			b.Goroutine = *g // its stack may be elsewhere
			return
		}
		changed = changed || b != nil && !b.reached
		if b != nil {
			b.reached = true
		}
		s.addGoroutine(g)
	})
	changed = s.ended(alive) || changed
	s.addVariables()
	if err == nil {
		err = s.addRecords()
	}
	if err != nil {
		return changed, err
	}
	return changed, s.refresh(s.memory, func(in *span, i uint64) {
		if number := in.first + uint32(i); s.marked(number) && !s.skipped[number] {
			s.found = append(s.found, spot{in, i})
		}
	})
}

// ended tells whether there are goroutines no more that were thought not to go on.
func (s *scan) ended(alive map[uint64]bool) (any bool) {
	for id, b := range s.blocked {
		if !b.reached && !alive[id] {
			b.reached, any = true, true
		}
	}
	return any
}

// rest is the goroutines that were not reached.
func (s *scan) rest() map[uint64]Goroutine {
	rest := make(map[uint64]Goroutine)
	for id, b := range s.blocked {
		if !b.reached {
			rest[id] = b.Goroutine
		}
	}
	return rest
}
