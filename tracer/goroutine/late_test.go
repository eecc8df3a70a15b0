package goroutine

import (
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// edited is memory of which each piece is changed as it is read.
type edited struct {
	recorded
	edit func(address uint64, b []byte)
}

// Read implements Memory.
func (m edited) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	n, err := m.recorded.Read(p, pieces...)
	for at := 0; len(pieces) > 0 && at+pieces[0].Len <= n; pieces = pieces[1:] {
		m.edit(uint64(pieces[0].Base), p[at:][:pieces[0].Len])
		at += pieces[0].Len
	}
	return n, err
}

// beginScan begins to scan a recorded process.
func beginScan(t *testing.T, program Program, m Memory) *scan {
	t.Helper()
	r, err := Open(program, m, NewRoom())
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.newScan(tight())
	if err == nil {
		err = s.begin()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.free)
	return s
}

// TestLastLook verifies a program one of whose variables leads to a goroutine only when it is
// read for the last time.
func TestLastLook(t *testing.T) {
	program, good := recordLeaks(t)
	s := beginScan(t, program, good)
	found, err := s.runtime.unreachable(tight())
	if err != nil {
		t.Fatal(err)
	}
	ids := slices.Sorted(maps.Keys(found))
	id := ids[slices.IndexFunc(ids, func(id uint64) bool { return len(s.blocked[id].objects) == 1 })]
	v, i := s.variables[1], uint64(0)
	for !v.mask.has(i) {
		i++
	}
	reads := 0
	s.runtime.memory = edited{good, func(address uint64, b []byte) {
		if address == v.from && len(b) > int(8*i) {
			if reads++; reads == 1+fewestRounds+1 {
				binary.LittleEndian.PutUint64(b[8*i:], s.blocked[id].objects[0])
			}
		}
	}}
	later, err := s.runtime.unreachable(tight())
	if _, ok := later[id]; ok || err != nil || len(later) == 0 {
		t.Errorf("read %d times: goroutine %d is unreachable: %t, among %d, %v", reads, id, ok, len(later), err)
	}
}

// TestEndedMeanwhile verifies a program of which a goroutine ends during the scan.
func TestEndedMeanwhile(t *testing.T) {
	program, good := recordLeaks(t)
	s := beginScan(t, program, good)
	found, err := s.runtime.unreachable(tight())
	if err != nil || len(found) == 0 {
		t.Fatalf("%d unreachable, %v", len(found), err)
	}
	ends := found[slices.Min(slices.Collect(maps.Keys(found)))]
	reads, status := 0, s.runtime.layout.status()
	s.runtime.memory = edited{good, func(address uint64, b []byte) {
		if address == ends.address && len(b) > int(status) {
			if reads++; reads > 1 {
				binary.LittleEndian.PutUint32(b[status:], 6) // runtime._Gdead
			}
		}
	}}
	later, err := s.runtime.unreachable(tight())
	if _, ok := later[ends.ID]; ok || err != nil || len(later) == 0 {
		t.Errorf("read %d times: goroutine %d is unreachable: %t, among %d, %v", reads, ends.ID, ok, len(later), err)
	}
}

// dying is memory that is gone after so many reads.
type dying struct {
	recorded
	reads *int
}

// Read implements Memory.
func (m dying) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	if *m.reads--; *m.reads < 0 {
		return 0, unix.ESRCH
	}
	return m.recorded.Read(p, pieces...)
}

// TestExit reads the goroutines of a process that exits meanwhile: all, or it says that it
// could not.
func TestExit(t *testing.T) {
	_, pages, r, _ := recordList(t)
	seen := func(reads int) (n int, err error) {
		r.memory = dying{pages, &reads}
		_, err = r.Scan(nil, func(*Goroutine, []uint64) { n++ })
		return n, err
	}
	all, err := seen(math.MaxInt)
	if err != nil || all < 300 {
		t.Fatalf("%d goroutines, %v", all, err)
	}
	failed := 0
	for n, err := seen(0); err != nil; n, err = seen(failed) {
		if failed++; !errors.Is(err, errMissing) {
			t.Errorf("%d goroutines, %v; want %v", n, err, errMissing)
		}
	}
	if n, _ := seen(failed); n != all || failed < 5 {
		t.Errorf("%d of %d goroutines after %d reads, without an error", n, all, failed)
	}
}

// TestLostRecords verifies a program whose records beside objects are out of reach at first.
func TestLostRecords(t *testing.T) {
	program, good := recordLeaks(t)
	s := beginScan(t, program, good)
	want, err := s.runtime.unreachable(tight())
	if err != nil {
		t.Fatal(err)
	}
	chains, err := s.chains()
	if err != nil || len(chains) == 0 {
		t.Fatalf("%d spans have records, %v", len(chains), err)
	}
	reads := make(map[uint64]int)
	s.runtime.memory = edited{good, func(address uint64, b []byte) {
		for _, c := range chains {
			if address == c.address+spanSpecials {
				if reads[address]++; reads[address] == 1 {
					clear(b)
				}
			}
		}
	}}
	got, err := s.runtime.unreachable(tight())
	if err != nil || len(reads) != len(chains) {
		t.Fatalf("records of %d spans of %d were read, %v", len(reads), len(chains), err)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("unreachable (-as before, +now)\n%s", diff)
	}
}
