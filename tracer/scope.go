package tracer

import (
	"slices"

	"github.com/cilium/ebpf"

	"github.com/leaktrace/leaktrace/tracer/cgroup"
)

// Scope is the processes whose objects a snapshot of a whole node keeps apart from
// those of all others: one program in one cgroup. It is zero where one process is
// traced, or one tree.
type Scope struct {
	// Cgroup is the path of the processes' cgroup, as a process in the host's cgroup
	// namespace reads it in /proc/PID/cgroup: of v2 or, where that says nothing, of
	// the v1 hierarchy whose path is the longest. In another cgroup namespace that
	// takes a mount of the host's hierarchy; without one, what lies between the
	// host's root and the namespace is missing.
	Cgroup string
	// Program is the name that the kernel gave the processes when they began their
	// image, 15 bytes at most and unescaped; OtherPrograms where a cgroup runs too
	// many to tell apart.
	Program string
}

// OtherPrograms is the Scope.Program of those beyond the first programs of a cgroup.
const OtherPrograms = "other"

// OtherCgroups is the Scope.Cgroup of those beyond the first few thousand of a node,
// and of processes whose cgroup cannot be read.
const OtherCgroups = "(other cgroups)"

const (
	programBits = 4    // LEAK_PROGRAM_BITS in bpf/ledger.h
	maxTenants  = 4096 // LEAK_TENANTS
	maxPrograms = 1<<programBits - 1
)

// scopes numbers the scopes of a node for the kernel. 0 is none of them.
type scopes struct {
	admit    func(cgroup string) bool
	cgroups  *cgroup.View
	kernel   *ebpf.Map
	returns  *ebpf.Map
	byCgroup map[string]*tenant
	byNumber []*tenant // nil where a number is free
	// everybody has what all tenants have together.
	everybody tenant
}

// newScopes returns the scopes of a node of which some cgroups are traced; of a
// nil function all are.
func newScopes(kernel, returns *ebpf.Map, admit func(string) bool) *scopes {
	if admit == nil {
		admit = func(string) bool { return true }
	}
	return &scopes{
		admit: admit, cgroups: cgroup.Look("/"), kernel: kernel, returns: returns,
		byCgroup: make(map[string]*tenant), byNumber: make([]*tenant, min(kernel.MaxEntries(), maxTenants)),
	}
}

// number returns the number of a scope, giving it one if need be.
func (ss *scopes) number(s Scope) (uint32, error) {
	known := ss.byCgroup[s.Cgroup]
	if known == nil {
		var err error
		if known, err = ss.begin(s.Cgroup); err != nil {
			return 0, err
		}
	}
	return known.number<<programBits | known.program(s.Program), nil
}

// begin gives a cgroup a number: the last one is for all that find none free, and
// for those that are not known.
func (ss *scopes) begin(cgroup string) (*tenant, error) {
	number := 1 + slices.Index(ss.byNumber[1:], nil)
	if number == 0 || number == len(ss.byNumber)-1 || cgroup == OtherCgroups {
		number, cgroup = len(ss.byNumber)-1, OtherCgroups
		if known := ss.byNumber[number]; known != nil {
			return known, nil
		}
	}
	t := &tenant{number: uint32(number), cgroup: cgroup, admitted: ss.admit(cgroup)}
	if err := ss.reset(t.number); err != nil {
		return nil, err
	}
	ss.byNumber[number] = t
	ss.byCgroup[cgroup] = t
	return t, nil
}

// get is the scope of a number.
func (ss *scopes) get(scope uint32) Scope {
	if t := ss.tenant(scope); t != nil {
		return Scope{t.cgroup, t.name(scope)}
	}
	return Scope{}
}

// tenant is the cgroup of a scope; nil where none is known.
func (ss *scopes) tenant(scope uint32) *tenant {
	if ss == nil || int(scope>>programBits) >= len(ss.byNumber) {
		return nil
	}
	return ss.byNumber[scope>>programBits]
}

// muted tells whether nothing is to be recorded of a scope.
func (ss *scopes) muted(scope uint32) bool {
	t := ss.tenant(scope)
	return t != nil && !t.admitted
}

// readmit asks again which cgroups are traced, and returns those where that has
// changed.
func (ss *scopes) readmit() map[*tenant]bool {
	changed := make(map[*tenant]bool)
	for _, t := range ss.byNumber {
		if t == nil {
			continue
		}
		if admitted := ss.admit(t.cgroup); admitted != t.admitted {
			t.admitted = admitted
			changed[t] = true
		}
	}
	return changed
}

// sweep frees the numbers of scopes that nothing uses any more.
func (ss *scopes) sweep(used map[uint32]bool) {
	for _, t := range ss.byNumber {
		if t == nil {
			continue
		}
		left := false
		for i := range t.programs {
			inUse := used[t.number<<programBits|uint32(i)]
			if !inUse {
				t.programs[i] = ""
			}
			left = left || inUse
		}
		if !left && !used[t.number<<programBits|maxPrograms] {
			ss.byNumber[t.number] = nil
			delete(ss.byCgroup, t.cgroup)
		}
	}
}
