package tests

import (
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// What the running kernel lets any tracer see decides what ours must say. It is
// found out here without the tracer, which may not miss what can be seen.

// seesAccept: programs can attach to the end of accept. Some kernels forbid it.
var seesAccept = sync.OnceValue(func() bool {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFExit, AttachTo: "inet_csk_accept", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return false
	}
	defer func() { _ = program.Close() }()
	l, err := link.AttachTracing(link.TracingOptions{Program: program})
	if err != nil {
		return false
	}
	return l.Close() == nil
})

// seesUses: there are tracepoints for reads and writes of sockets, from 6.3 on.
// Before there is one for reads that took something.
var seesUses = sync.OnceValue(func() bool {
	kernel, err := btf.LoadKernelSpec()
	var tracepoint *btf.Typedef
	return err == nil && kernel.TypeByName("btf_trace_sock_recv_length", &tracepoint) == nil
})

// addAccepts adds sockets that a function accepts and that are closed at once.
// Where accept is not seen nothing is known of them, for they are never used.
func addAccepts(want map[string]tally, function string, n uint64) map[string]tally {
	if seesAccept() {
		sum := want["close-wait "+function]
		sum.Created, sum.Released = sum.Created+n, sum.Released+n
		want["close-wait "+function] = sum
	}
	return want
}

// accepts is how many of n such sockets are seen.
func accepts(n uint64) uint64 {
	if seesAccept() {
		return n
	}
	return 0
}
