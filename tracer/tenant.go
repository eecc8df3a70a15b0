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

// budgets is what one cgroup may take of what a whole node shares: of the entries of
// a map so many times as many as are free, and so many events in a second. There is
// room for some 170,000 small events in the ring, and for 120 rescued stacks; reading
// the mappings of a process takes some 0.2 ms.
var budgets = [ledgerLeakBudgetLEAK_BUDGETS]struct {
	name  string
	table string // the map whose entries are meant; empty for what is by the second
	limit uint64 // how many times what is free, or how many in a second
}{
	ledgerLeakBudgetLEAK_BUDGET_STACKS:  {"stacks", ledgerMapStacks, 1},
	ledgerLeakBudgetLEAK_BUDGET_THREADS: {"threads", ledgerMapThreads, 3},
	ledgerLeakBudgetLEAK_BUDGET_TCBS:    {"finished_threads", ledgerMapTcbs, 1},
	ledgerLeakBudgetLEAK_BUDGET_EVENTS:  {"events", "", 20000},
	ledgerLeakBudgetLEAK_BUDGET_LOOKS:   {"looks", "", 1000},
	ledgerLeakBudgetLEAK_BUDGET_RESCUES: {"rescues", "", 60},
	ledgerLeakBudgetLEAK_BUDGET_USES:    {"uses", "", 200},
}

// Of what Go hands out itself: how many parts there are, of which one tenant may
// have one.
const (
	imageShare = 4
	rowShare   = 2
	ruleShare  = 4
)

// maxFiles is how many files one tenant may be the first to map, each of which takes
// some memory and up to three descriptors for as long as it is mapped.
const maxFiles = 2000

// kernelBudgets is the budgets as the programs read them, by the sizes of maps.
func kernelBudgets(entries func(table string) uint32) (amounts, shares []uint64) {
	for _, b := range budgets {
		if b.table == "" {
			amounts = append(amounts, b.limit)
			continue
		}
		amounts = append(amounts, uint64(entries(b.table)))
		shares = append(shares, b.limit)
	}
	return amounts, shares
}

// tenant is one cgroup of a traced node, and what it has of what all share.
type tenant struct {
	number   uint32
	cgroup   string
	admitted bool
	programs [maxPrograms]string // by the low bits of the scope
	returned ledgerLeakReturns   // as in the kernel
	images   uint32              // published spaces
	files    uint32              // that it was the first to map
	rows     uint32              // of files, that it had room for first
	rules    uint32              // that these were the first to have
	symbols  symbolAccount       // of its processes' JIT code
	refused  struct{ images, files, rows, rules, symbols uint64 }
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
// tenant maps, and no other had room for.
func (t *tenant) mayTable(need tableNeed, rows, rules uint32) bool {
	switch {
	case t == nil:
		return true
	case t.rows+need.rows > rows/rowShare:
		t.refused.rows++
	case t.rules+need.rules > rules/ruleShare:
		t.refused.rules++
	default:
		return true
	}
	return false
}

// tabled counts rows that came to be for a tenant's files, or went.
func (t *tenant) tabled(rows int32) {
	if t != nil {
		t.rows += uint32(rows)
	}
}

// ruled counts rules.
func (t *tenant) ruled(n int32) {
	if t != nil {
		t.rules += uint32(n)
	}
}

func (t *tenant) refuseSymbols() {
	if t != nil {
		t.refused.symbols++
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

// entries is how many entries of the budgets' maps tenants have, by number.
type entries map[uint32]*counts

// counts is how many entries of each budget's map there are.
type counts [ledgerLeakBudgetLEAK_BUDGET_ENTRIES]uint64

// add counts an entry of a scope, and of everybody.
func (e entries) add(scope uint32, budget ledgerLeakBudget) {
	e.one(everybody)[budget]++
	if number := scope >> programBits; number != everybody {
		e.one(number)[budget]++
	}
}

func (e entries) one(number uint32) *counts {
	if e[number] == nil {
		e[number] = new(counts)
	}
	return e[number]
}

func (e entries) of(number uint32) counts {
	if known := e[number]; known != nil {
		return *known
	}
	return counts{}
}

// everybody is the number of what all tenants have together.
const everybody = 0

// settle tells the kernel how many entries there are, and reads what was refused.
func (ss *scopes) settle(there entries) (refused []Refusal, err error) {
	for number, t := range ss.byNumber {
		if number == everybody {
			t = &ss.everybody
		}
		if t == nil {
			continue
		}
		var account ledgerLeakTenant
		if err := ss.kernel.Lookup(uint32(number), &account); err != nil {
			return nil, fmt.Errorf("read the account of %q: %w", t.cgroup, err)
		}
		if err := ss.correct(uint32(number), t, &account, there.of(uint32(number))); err != nil {
			return nil, fmt.Errorf("correct the account of %q: %w", t.cgroup, err)
		}
		refused = append(refused, t.refusals(&account)...)
	}
	return refused, nil
}

// correct tells the kernel by how much it counts more entries than there are.
func (ss *scopes) correct(number uint32, t *tenant, account *ledgerLeakTenant, there counts) error {
	var returned ledgerLeakReturns
	for i := range returned.Entries {
		returned.Entries[i] = account.Used[i] - there[i]
	}
	if returned == t.returned {
		return nil
	}
	t.returned = returned
	return ss.returns.Put(number, &returned)
}

// refusals lists all causes, in the order of budgets, once there was one.
func (t *tenant) refusals(account *ledgerLeakTenant) (all []Refusal) {
	for i, b := range budgets {
		all = append(all, Refusal{t.cgroup, Counter{b.name, account.Refused[i]}})
	}
	all = append(all,
		Refusal{t.cgroup, Counter{"images", t.refused.images}},
		Refusal{t.cgroup, Counter{"files", t.refused.files}},
		Refusal{t.cgroup, Counter{"unwind_tables", t.refused.rows}},
		Refusal{t.cgroup, Counter{"unwind_rules", t.refused.rules}},
		Refusal{t.cgroup, Counter{"jit_symbols", t.refused.symbols}})
	if !slices.ContainsFunc(all, func(r Refusal) bool { return r.Count > 0 }) {
		return nil
	}
	return all
}
