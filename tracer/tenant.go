package tracer

import (
	"fmt"
	"slices"
)

// Refusal counts what a cgroup was refused because it would have taken it from
// others.
type Refusal struct {
	Cgroup string
	Counter
}

// budgets is what one cgroup may take of what a whole node shares: of maps a part
// of their entries, and so many events in a second. There is room for some 170,000
// small events in the ring, and for 120 rescued stacks; reading the mappings of a
// process takes some 0.2 ms.
var budgets = [ledgerLeakBudgetLEAK_BUDGETS]struct {
	name  string
	table string // the map whose entries are meant; empty for what is by the second
	limit uint64 // percent of its entries, or so many in a second
}{
	ledgerLeakBudgetLEAK_BUDGET_STACKS:  {"stacks", ledgerMapStacks, 50},
	ledgerLeakBudgetLEAK_BUDGET_THREADS: {"threads", ledgerMapThreads, 75},
	ledgerLeakBudgetLEAK_BUDGET_TCBS:    {"finished_threads", ledgerMapTcbs, 50},
	ledgerLeakBudgetLEAK_BUDGET_EVENTS:  {"events", "", 20000},
	ledgerLeakBudgetLEAK_BUDGET_LOOKS:   {"looks", "", 1000},
	ledgerLeakBudgetLEAK_BUDGET_RESCUES: {"rescues", "", 60},
}

// Of what Go hands out itself: how many parts there are, of which one tenant may
// have one.
const (
	imageShare = 4
	rowShare   = 2
)

// maxFiles is how many files one tenant may be the first to map, each of which takes
// some memory and up to three descriptors for as long as it is mapped.
const maxFiles = 2000

// kernelBudgets is the budgets as the programs read them, by the sizes of maps.
func kernelBudgets(entries func(table string) uint32) []uint64 {
	out := make([]uint64, len(budgets))
	for i, b := range budgets {
		out[i] = b.limit
		if b.table != "" {
			out[i] = uint64(entries(b.table)) * b.limit / 100
		}
	}
	return out
}

// tenant is one cgroup of a traced node, and what it has of what all share.
type tenant struct {
	number   uint32
	cgroup   string
	admitted bool
	programs [maxPrograms]string // by the low bits of the scope
	returned ledgerLeakReturns
	fresh    bool   // returned is not in the kernel yet
	images   uint32 // published spaces
	files    uint32 // that it was the first to map
	rows     uint32 // of these files
	refused  struct{ images, files, rows uint64 }
}

// program is the low bits of a program's scope.
func (t *tenant) program(name string) uint32 {
	free := maxPrograms
	if name == "" || name == OtherPrograms {
		return maxPrograms
	}
	for i, known := range t.programs {
		switch {
		case known == name:
			return uint32(i)
		case known == "" && free == maxPrograms:
			free = i
		}
	}
	if free < maxPrograms {
		t.programs[free] = name
	}
	return uint32(free)
}

func (t *tenant) name(scope uint32) string {
	if i := scope & maxPrograms; i < maxPrograms {
		return t.programs[i]
	}
	return OtherPrograms
}

// took counts entries of a budget that Go has deleted.
func (t *tenant) took(budget ledgerLeakBudget, n uint64) {
	if t != nil {
		t.returned.Entries[budget] += n
		t.fresh = true
	}
}

// mayPublish tells whether the tenant may have one more of all process images.
func (t *tenant) mayPublish(slots int) bool {
	if t == nil || int(t.images) < max(1, slots/imageShare) {
		return true
	}
	t.refused.images++
	return false
}

// published counts spaces that came to be, or went.
func (t *tenant) published(n int32) {
	if t != nil {
		t.images += uint32(n)
	}
}

// mayOpen tells whether the tenant may have one more file of its own.
func (t *tenant) mayOpen() bool {
	if t == nil || t.files < maxFiles {
		return true
	}
	t.refused.files++
	return false
}

func (t *tenant) opened(n int32) {
	if t != nil {
		t.files += uint32(n)
	}
}

// mayTable tells whether a file may have its unwind table in the kernel that the
// tenant was the first to map.
func (t *tenant) mayTable(rows int, all uint32) bool {
	if t == nil || uint64(t.rows)+uint64(rows) <= uint64(all/rowShare) {
		return true
	}
	t.refused.rows++
	return false
}

func (t *tenant) tabled(rows int32) {
	if t != nil {
		t.rows += uint32(rows)
	}
}

// reset empties the kernel's account of a tenant whose number is given away.
func (ss *scopes) reset(number uint32) error {
	if err := ss.returns.Put(number, &ledgerLeakReturns{}); err != nil {
		return fmt.Errorf("begin the account of a cgroup: %w", err)
	}
	if err := ss.kernel.Put(number, &ledgerLeakTenant{}); err != nil {
		return fmt.Errorf("begin the account of a cgroup: %w", err)
	}
	return nil
}

// settle tells the kernel what was returned, and reads what was refused.
func (ss *scopes) settle() (refused []Refusal, err error) {
	for _, t := range ss.byNumber {
		if t == nil {
			continue
		}
		if t.fresh {
			if err := ss.returns.Put(t.number, &t.returned); err != nil {
				return nil, fmt.Errorf("keep the account of %q: %w", t.cgroup, err)
			}
			t.fresh = false
		}
		var account ledgerLeakTenant
		if err := ss.kernel.Lookup(t.number, &account); err != nil {
			return nil, fmt.Errorf("read the account of %q: %w", t.cgroup, err)
		}
		refused = append(refused, t.refusals(&account)...)
	}
	return refused, nil
}

// refusals lists all causes, in the order of budgets, once there was one.
func (t *tenant) refusals(account *ledgerLeakTenant) (all []Refusal) {
	for i, b := range budgets {
		all = append(all, Refusal{t.cgroup, Counter{b.name, account.Refused[i]}})
	}
	all = append(all,
		Refusal{t.cgroup, Counter{"images", t.refused.images}},
		Refusal{t.cgroup, Counter{"files", t.refused.files}},
		Refusal{t.cgroup, Counter{"unwind_tables", t.refused.rows}})
	if !slices.ContainsFunc(all, func(r Refusal) bool { return r.Count > 0 }) {
		return nil
	}
	return all
}
