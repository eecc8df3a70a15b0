package tracer

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// Tuning changes what is right for use. Tests make sizes and budgets of the BPF
// side small, to see what becomes of what does not fit.
type Tuning struct {
	// Entries is how many entries maps have, and bytes a ring, by map name. The
	// maps are described in bpf/.
	Entries map[string]uint32
	// Constants sets const volatile variables of the programs, by name.
	Constants map[string]any
	// Twins loads hooks as on a kernel that preempts them.
	Twins bool
	// AnyRights tries without the capabilities that New asks for.
	AnyRights bool
}

// apply changes programs that are not loaded yet.
func (t Tuning) apply(spec *ebpf.CollectionSpec) error {
	for name, n := range t.Entries {
		m := spec.Maps[name]
		if m == nil {
			return fmt.Errorf("tune BPF programs: there is no map %q", name)
		}
		m.MaxEntries = n
	}
	for name, value := range t.Constants {
		v := spec.Variables[name]
		if v == nil || !v.Constant() {
			return fmt.Errorf("tune BPF programs: there is no constant %q", name)
		}
		if err := v.Set(value); err != nil {
			return fmt.Errorf("tune BPF programs: set %s: %w", name, err)
		}
	}
	return nil
}
