package tracer

import (
	"time"

	"github.com/cilium/ebpf"
)

// Cost is what one BPF program has cost since it was attached.
type Cost struct {
	Program string
	Runs    uint64
	Time    time.Duration // of all runs together
}

// Costs returns the cost of each program that has run, its twin's included. The
// kernel measures it only while kernel.bpf_stats_enabled is 1; else the list is
// empty.
func (t *Tracer) Costs() []Cost {
	var costs []Cost
	for _, h := range hooks {
		cost := Cost{Program: h.program}
		cost.add(t.collection)
		cost.add(t.twins)
		if cost.Runs > 0 {
			costs = append(costs, cost)
		}
	}
	return costs
}

// add adds what the program of a collection has cost, if that has it.
func (c *Cost) add(programs *ebpf.Collection) {
	if programs == nil || programs.Programs[c.Program] == nil {
		return
	}
	if stats, err := programs.Programs[c.Program].Stats(); err == nil {
		c.Runs += stats.RunCount
		c.Time += stats.Runtime
	}
}
