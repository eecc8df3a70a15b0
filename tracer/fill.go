package tracer

// MapFill is how many entries a map of the kernel's side has, of how many. What
// exceeds it is lost, and counted in Snapshot.Lost.
type MapFill struct {
	Name      string
	Used, Max uint64
}

// fill tells how full the maps are, as far as this side knows: the kernel keeps no
// count, and to walk through a map for it would cost more than it is worth.
func (t *Tracer) fill(l *ledger) []MapFill {
	threads := 0
	for i := range l.tasks {
		if l.tasks[i].Kind == ledgerLeakKindLEAK_THREAD {
			threads++
		}
	}
	images := 0
	for _, id := range t.spaces.slots {
		if id != 0 {
			images++
		}
	}
	m := &t.maps
	of := func(name string, used int, max uint32) MapFill { return MapFill{name, uint64(used), uint64(max)} }
	return []MapFill{
		of(ledgerMapStacks, len(t.stacks.known)-t.stacks.usesKnown, m.Stacks.MaxEntries()),
		of(ledgerMapThreads, threads, m.Threads.MaxEntries()),
		of(ledgerMapTcbs, len(l.threads), m.Tcbs.MaxEntries()),
		of("sites", len(l.since), m.SitesEven.MaxEntries()),
		of(ledgerMapSpaces, images, m.Spaces.MaxEntries()),
		of(ledgerMapMappings, int(m.Mappings.MaxEntries()-t.spaces.free.left()), m.Mappings.MaxEntries()),
		of(ledgerMapRows, int(m.Rows.MaxEntries()-t.files.tables.free.left()), m.Rows.MaxEntries()),
		of(ledgerMapRules, len(t.files.tables.byNumber), m.Rules.MaxEntries()),
	}
}

// settle closes the accounts of all cgroups for this snapshot.
func (t *Tracer) settle() ([]Refusal, error) {
	if t.scopes == nil {
		return nil, nil
	}
	return t.scopes.settle()
}
