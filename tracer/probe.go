package tracer

import (
	"github.com/cilium/ebpf/btf"
)

// Probe is what became of one hook on this kernel.
type Probe struct {
	// Program is the BPF program, Purpose what it is for.
	Program, Purpose string
	// Instead is set when the hook is not used on this kernel, and says what
	// is used in its place.
	Instead string
	// Err says why the hook is wanted but cannot be used.
	Err error
}

// ProbeHooks loads and attaches every hook by itself, and detaches it at once.
// A kernel's claim to support a program type is no proof that it attaches.
func ProbeHooks() ([]Probe, error) {
	kernel, err := kernelTypes()
	if err != nil {
		return nil, err
	}
	var probes []Probe
	for _, h := range hooks {
		probe := Probe{Program: h.program, Purpose: h.purpose}
		if !h.wanted(kernel, Options{}) {
			probe.Instead = h.replacement(kernel)
		} else if probe.Err = h.try(); probe.Err != nil && h.instead != "" {
			probe.Instead, probe.Err = h.instead, nil
		}
		probes = append(probes, probe)
	}
	return probes, nil
}

// replacement says what does a left-out hook's work.
func (h hook) replacement(kernel *btf.Spec) string {
	if h.unless != "" && hasTracepoint(kernel, h.unless) {
		return h.unless
	}
	for _, other := range hooks {
		if other.unless == h.tracepoint {
			return other.tracepoint
		}
	}
	return "nothing: uses are seen at reads only"
}

// try loads and attaches a hook and takes it away again.
func (h hook) try() error {
	program, err := h.load(nil)
	if err != nil {
		return err
	}
	defer func() { _ = program.Close() }()
	l, err := h.attach(program)
	if err != nil {
		return err
	}
	return l.Close()
}
