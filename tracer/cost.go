package tracer

import "time"

// Cost is what one BPF program has cost since it was attached.
type Cost struct {
	Program string
	Runs    uint64
	Time    time.Duration // of all runs together
}

// Costs returns the cost of each program that has run. The kernel measures it
// only while kernel.bpf_stats_enabled is 1; else the list is empty.
func (t *Tracer) Costs() []Cost {
	var costs []Cost
	for _, h := range hooks {
		program := t.collection.Programs[h.program]
		if program == nil {
			continue
		}
		if stats, err := program.Stats(); err == nil && stats.RunCount > 0 {
			costs = append(costs, Cost{h.program, stats.RunCount, stats.Runtime})
		}
	}
	return costs
}
