package tracer

// MapFill is how many entries a map of the kernel's side has, of how many. What
// exceeds it is lost, and counted in Snapshot.Lost.
type MapFill struct {
	Name      string
	Used, Max uint64
}

// fill tells how full the maps are, as far as this side knows: the kernel keeps no
// count, and to walk through a map for it would cost more than it is worth.
func (t *Tracer) fill(l *ledger, there entries) []MapFill {
	images := 0
	for _, id := range t.spaces.slots {
		if id != 0 {
			images++
		}
	}
	m, all := &t.maps, there.of(everybody)
	of := func(name string, used int, max uint32) MapFill { return MapFill{name, uint64(used), uint64(max)} }
	return []MapFill{
		of(ledgerMapStacks, int(all[ledgerLeakBudgetLEAK_BUDGET_STACKS]), m.Stacks.MaxEntries()),
		of(ledgerMapThreads, int(all[ledgerLeakBudgetLEAK_BUDGET_THREADS]), m.Threads.MaxEntries()),
		of(ledgerMapTcbs, int(all[ledgerLeakBudgetLEAK_BUDGET_TCBS]), m.Tcbs.MaxEntries()),
		of("sites", len(l.since), m.SitesEven.MaxEntries()),
		of(ledgerMapSpaces, images, m.Spaces.MaxEntries()),
		of(ledgerMapMappings, int(m.Mappings.MaxEntries()-t.spaces.free.left()), m.Mappings.MaxEntries()),
		of(ledgerMapRows, int(m.Rows.MaxEntries()-t.files.tables.free.left()), m.Rows.MaxEntries()),
		of(ledgerMapRules, len(t.files.tables.numbers), m.Rules.MaxEntries()),
	}
}

// countEntries counts the entries of the maps that have budgets.
func (t *Tracer) countEntries(l *ledger) entries {
	there := make(entries)
	for id, known := range t.stacks.known {
		if t.inKernel(id) {
			there.add(known.scope, ledgerLeakBudgetLEAK_BUDGET_STACKS)
		}
	}
	for i := range l.tasks {
		if r := &l.tasks[i]; r.Kind == ledgerLeakKindLEAK_THREAD {
			there.add(r.Scope, ledgerLeakBudgetLEAK_BUDGET_THREADS)
		}
	}
	for i := range l.threads {
		there.add(l.threads[i].Scope, ledgerLeakBudgetLEAK_BUDGET_TCBS)
	}
	return there
}

// inKernel tells whether the stacks map has a stack that is known.
func (t *Tracer) inKernel(id uint64) bool {
	n := t.tallies[id]
	return !isUse(id) && id&idRescued == 0 && (n == nil || t.age-n.used < deleteAfter)
}

// settle closes the accounts of all cgroups for this snapshot.
func (t *Tracer) settle(there entries) ([]Refusal, error) {
	if t.scopes == nil {
		return nil, nil
	}
	return t.scopes.settle(there)
}
