package goroutine

import (
	"errors"
	"fmt"
	"time"
)

// Scans is how many times Verify scans.
const Scans = 2

const (
	// mostVerified is how many goroutines a process may have to be verified.
	mostVerified = 1 << 18
	// mostRounds is how often a scan looks again at goroutines that have gone on
	// meanwhile.
	mostRounds = 8
)

var (
	errUnknown  = errors.New("where this release of Go has its heap is not known")
	errCrowd    = fmt.Errorf("it has more than %d goroutines", mostVerified)
	errRestless = errors.New("its goroutines do not rest for long enough")
)

// Verify finds, by number, the goroutines that wait for what nothing leads to that could
// wake them: no variable of the program, and no goroutine that may ever go on. It scans
// the memory of the process so many times, as it goes on; what it returns was found so
// in each scan, and has not run since the first began.
//
// That a word of memory looks like a pointer is enough to lead somewhere, so some are
// missed. None is wrong but where all that leads to a goroutine was, in each scan, in
// a register alone, or on its way from memory that was not read yet to some that was.
//
// There is an error where the heap is not what it should be, or beyond the limits.
func (r *Runtime) Verify(l Limits) (map[uint64]Goroutine, error) {
	var found map[uint64]Goroutine
	for i := range Scans {
		now, err := r.unreachable(l)
		if err != nil {
			return nil, fmt.Errorf("look for what leads to goroutines: %w", err)
		}
		if i == 0 {
			found = now
		} else {
			keep(found, now)
		}
		if len(found) == 0 {
			return nil, nil
		}
		if i+1 < Scans {
			time.Sleep(l.Pause)
		}
	}
	return found, nil
}

// keep leaves only the goroutines that are in the same wait now.
func keep(found, now map[uint64]Goroutine) {
	for id, before := range found {
		if g, ok := now[id]; !ok || !g.Waits(&before) {
			delete(found, id)
		}
	}
}

// scan is one look through the memory of a process.
type scan struct {
	runtime   *Runtime
	variables []part
	*marker
	// blocked are the goroutines that wait for others, by number. Those reached are
	// among them.
	blocked map[uint64]*blocked
}

// unreachable scans once.
func (r *Runtime) unreachable(l Limits) (map[uint64]Goroutine, error) {
	s, err := r.newScan(l)
	if err != nil {
		return nil, err
	}
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
		case round > 0 && !changed:
			return s.rest(), nil
		}
	}
}

// newScan reads where the heap is.
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
	h, err := readHeap(r.memory, r.spans)
	if err != nil {
		return nil, err
	}
	s := &scan{runtime: r, variables: variables, blocked: make(map[uint64]*blocked)}
	s.marker = newMarker(r.memory, known, h, l)
	return s, nil
}

// begin reads the goroutines, and what those wait for that do; all others may go on.
func (s *scan) begin() error {
	var all []Goroutine
	var waiting []*blocked
	var fields []uint64
	_, err := s.runtime.Scan(nil, func(g *Goroutine, _ []uint64) { all = append(all, *g) })
	switch {
	case err != nil:
		return err
	case len(all) > mostVerified:
		return errCrowd
	}
	strays := 0
	for i := range all {
		g := &all[i]
		if !s.skip(g.address) {
			strays++ // or begun since
		}
		if field, any, ok := s.runtime.waitsFor(g, s.layout); ok {
			s.blocked[g.ID] = &blocked{Goroutine: *g}
			if any {
				waiting, fields = append(waiting, s.blocked[g.ID]), append(fields, field)
			}
		}
	}
	if 8*strays > len(all) {
		return errNoHeap
	}
	if err := s.sudogs(waiting, fields); err != nil {
		return err
	}
	for i := range all {
		if s.blocked[all[i].ID] == nil {
			s.addGoroutine(&all[i])
		}
	}
	for _, b := range s.blocked {
		s.await(b)
	}
	s.addVariables()
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

// again has all looked through once more that may have changed meanwhile: variables, and
// the stacks of goroutines that may go on. changed tells that one has gone on that was
// thought not to.
func (s *scan) again() (changed bool, err error) {
	_, err = s.runtime.Scan(nil, func(g *Goroutine, _ []uint64) {
		b := s.blocked[g.ID]
		if b != nil && !b.reached && g.Waits(&b.Goroutine) {
			return
		}
		changed = changed || b != nil && !b.reached
		if b != nil {
			b.reached = true
		}
		s.addGoroutine(g)
	})
	s.addVariables()
	return changed, err
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
