package tracer

import "fmt"

// losses names the kernel's loss counters for users.
var losses = []struct {
	counter ledgerLeakCounter
	name    string
}{
	{ledgerLeakCounterLEAK_LOST_SLOT, "stacks_no_scratch"},
	{ledgerLeakCounterLEAK_LOST_STACK, "stacks_map_full"},
	{ledgerLeakCounterLEAK_LOST_SITE, "sites_map_full"},
	{ledgerLeakCounterLEAK_LOST_STORAGE, "objects_no_memory"},
	{ledgerLeakCounterLEAK_LOST_THREAD, "threads_map_full"},
	{ledgerLeakCounterLEAK_LOST_TCB, "finished_threads_map_full"},
	{ledgerLeakCounterLEAK_LOST_EVENT, "events_ring_full"},
}

// readTotals reads the kernel's counters.
func (t *Tracer) readTotals() (map[ledgerLeakCounter]uint64, error) {
	totals := make(map[ledgerLeakCounter]uint64)
	for counter := range ledgerLeakCounterLEAK_COUNTERS {
		var err error
		if totals[counter], err = t.readCounter(counter); err != nil {
			return nil, err
		}
	}
	return totals, nil
}

// readCounter adds up what the processors have counted.
func (t *Tracer) readCounter(counter ledgerLeakCounter) (total uint64, err error) {
	var perCPU []uint64
	if err := t.maps.Counters.Lookup(uint32(counter), &perCPU); err != nil {
		return 0, fmt.Errorf("read counters: %w", err)
	}
	for _, n := range perCPU {
		total += n
	}
	return total, nil
}

// addCounters adds losses and stack qualities to a snapshot.
func (t *Tracer) addCounters(s *Snapshot, totals map[ledgerLeakCounter]uint64, l *ledger, unjudged uint64) error {
	for _, loss := range losses {
		s.Lost = append(s.Lost, Counter{loss.name, totals[loss.counter]})
	}
	skipped, err := t.readSkipped()
	if err != nil {
		return err
	}
	s.Lost = append(s.Lost,
		Counter{"hooks_skipped", skipped},
		Counter{"finished_threads_unjudged", unjudged},
		Counter{"queued_connections_unseen", l.unqueued},
		Counter{"processes_unreadable", t.problems},
		Counter{"unwind_tables_full", t.files.untabled},
		Counter{"goroutines_too_many", t.goroutines.omitted},
	)
	s.StackQuality = make(map[Quality]uint64)
	for counter, quality := range qualities {
		s.StackQuality[quality] = totals[counter] + t.rescued[quality]
	}
	return t.readSampling(s, totals[ledgerLeakCounterLEAK_STACK_UNSAMPLED])
}

func (t *Tracer) readSampling(s *Snapshot, leftOut uint64) error {
	var oneIn uint32
	if err := t.variables.SampledOneIn.Get(&oneIn); err != nil {
		return fmt.Errorf("read how stacks are sampled: %w", err)
	}
	if leftOut > 0 {
		s.Sampling = Sampling{OneIn: uint64(oneIn), LeftOut: leftOut}
	}
	return nil
}
