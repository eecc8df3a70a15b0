package goroutine

import (
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// patience is for a scan of what takes a few milliseconds if it is honest.
const patience = 20 * time.Second

// tight is enough for the programs of testdata.
func tight() Limits {
	return Limits{Objects: 1 << 20, Bytes: 64 << 20, Until: time.Now().Add(patience / 2)}
}

// recordLeaks records what a verification of testdata/leaks reads, and the stacks that it may
// read if something is another.
func recordLeaks(t testing.TB) (Program, recorded) {
	t.Helper()
	p := runLeaks(t, build(t, "leaks", "", []string{"CGO_ENABLED=0"}))
	program, pages := programOf(t, p.pid()), make(recorded)
	r, err := Open(program, recorder{live(p.pid()), pages}, NewRoom())
	if err != nil {
		t.Fatal(err)
	}
	if found, _, err := r.Verify(tight()); err != nil || len(found) == 0 {
		t.Fatalf("%d unreachable, %v", len(found), err)
	}
	if _, err := r.Scan(nil, func(g *Goroutine, _ []uint64) { read(r.memory, make([]byte, g.high-g.low), g.low) }); err != nil {
		t.Fatal(err)
	}
	return program, pages
}

func (m recorded) clone() recorded {
	out := make(recorded, len(m))
	for page, b := range m {
		out[page] = slices.Clone(b)
	}
	return out
}

func (m recorded) put(at, value uint64) {
	binary.LittleEndian.PutUint64(m[at/pageSize][at%pageSize:], value)
}

// verifyHostile verifies, which must end soon.
func verifyHostile(t testing.TB, program Program, m Memory) (n int, err error) {
	t.Helper()
	began := time.Now()
	r, err := Open(program, m, NewRoom())
	if err != nil {
		return 0, err
	}
	found, _, err := r.Verify(tight())
	if took := time.Since(began); took > patience {
		t.Errorf("took %s", took)
	}
	return len(found), err
}

// TestDamagedHeap verifies in memory in which much is wrong.
func TestDamagedHeap(t *testing.T) {
	program, good := recordLeaks(t)
	addresses := slices.Sorted(maps.Keys(good))
	rng := rand.New(rand.NewPCG(3, 4))
	verified := 0
	for range 300 {
		if n, err := verifyHostile(t, program, damage(good, addresses, rng)); err == nil && n > 0 {
			verified++
		}
	}
	t.Logf("%d of 300 could be verified", verified)
	if verified == 0 {
		t.Error("none could be verified: nothing was tested")
	}
}

// TestHostileHeap verifies processes of which one thing was changed.
func TestHostileHeap(t *testing.T) {
	program, good := recordLeaks(t)
	s := beginScan(t, program, good)
	r := s.runtime
	chains, err := s.chains()
	if err != nil || len(chains) == 0 {
		t.Fatalf("%d spans have records, %v", len(chains), err)
	}
	l := s.layout
	header := make([]byte, 24)
	read(good, header, r.spans)
	spans := decodeList(header)
	pointers := make([]byte, 8*spans.len)
	read(good, pointers, spans.first)
	var selects []Goroutine
	var asleep Goroutine
	if _, err := r.Scan(nil, func(g *Goroutine, _ []uint64) {
		if r.Reason(g.Reason) == "select" && g.waiting != 0 {
			selects = append(selects, *g)
		}
		if r.waits(g, "sleep") {
			asleep = *g
		}
	}); err != nil || len(selects) == 0 {
		t.Fatalf("%d wait in a select, %v", len(selects), err)
	}
	each := func(m recorded, change func(at uint64)) {
		for i := range spans.len {
			change(word(pointers, 8*i))
		}
	}
	for _, test := range []struct {
		name   string
		change func(m recorded)
		want   error // nil where that changes nothing but what is found
	}{
		{"nothing", func(recorded) {}, nil},
		{"a module after itself", func(m recorded) { m.put(r.module+8*l.next, r.module) }, errNoModule},
		{"a module that is none", func(m recorded) { m.put(r.module+8*l.next, spans.first) }, errNoModule},
		{"a mask of another size", func(m recorded) { m.put(r.module+8*l.mask, 7) }, errNoModule},
		{"no spans", func(m recorded) { m.put(r.spans+8, 0) }, errNoHeap},
		{"too many spans", func(m recorded) { m.put(r.spans+8, maxSpans+1); m.put(r.spans+16, maxSpans+1) }, errBigHeap},
		{"spans that are not there", func(m recorded) { m.put(r.spans, 1<<46) }, errNoHeap},
		{"all spans in one place", func(m recorded) { each(m, func(at uint64) { m.put(at+spanStart, s.spans[0].base) }) }, errMissing},
		{"spans that reach far", func(m recorded) {
			each(m, func(at uint64) { m.put(at+spanPages, maxArenas*arenaPages); m.put(at+spanElement, 1<<24) })
		}, errBigHeap},
		{"spans at the end of all addresses", func(m recorded) {
			each(m, func(at uint64) { m.put(at+spanStart, ^uint64(heapPage-1)); m.put(at+spanPages, 1) })
		}, errNoHeap},
		{"spans far apart", func(m recorded) { m.put(word(pointers, 0)+spanStart, s.low+1<<43) }, errBigHeap},
		{"records in a circle", func(m recorded) {
			for _, in := range chains {
				m.put(in.next, in.next)
			}
		}, errMany},
		{"a stack that is not there", func(m recorded) { delete(m, asleep.SP/pageSize) }, errMissing},
		{"cases in a circle", func(m recorded) {
			for _, g := range selects {
				m.put(g.waiting+l.link(), g.waiting)
			}
		}, nil},
		{"cases of another", func(m recorded) { m.put(selects[0].waiting+sudogG, 1) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := good.clone()
			test.change(m)
			n, err := verifyHostile(t, program, m)
			if !errors.Is(err, test.want) || test.want == nil && (err != nil || n == 0) {
				t.Errorf("%d unreachable, %v; want %v", n, err, test.want)
			}
		})
	}
}

// TestLimits verifies a process that goes beyond each limit.
func TestLimits(t *testing.T) {
	program, good := recordLeaks(t)
	stopped := make(chan struct{})
	close(stopped)
	for name, test := range map[string]struct {
		change func(l *Limits)
		want   error
	}{
		"objects": {func(l *Limits) { l.Objects = 10 }, errMany},
		"bytes":   {func(l *Limits) { l.Bytes = 10 << 10 }, errMany},
		"time":    {func(l *Limits) { l.Until = time.Now() }, errSlow},
		"stopped": {func(l *Limits) { l.Done = stopped }, ErrStopped},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(program, good, NewRoom())
			if err != nil {
				t.Fatal(err)
			}
			l := tight()
			test.change(&l)
			if found, _, err := r.Verify(l); !errors.Is(err, test.want) || len(found) > 0 {
				t.Errorf("%d unreachable, %v; want %v", len(found), err, test.want)
			}
		})
	}
}

// TestStoppedRest stops a verification between its scans.
func TestStoppedRest(t *testing.T) {
	stopped := make(chan struct{})
	close(stopped)
	if err := (&Limits{Pause: time.Hour, Done: stopped}).rest(); !errors.Is(err, ErrStopped) {
		t.Errorf("%v, not %v", err, ErrStopped)
	}
}

// TestUnknownHeap gives a program the version of a release whose heap is not known.
func TestUnknownHeap(t *testing.T) {
	program, good := recordLeaks(t)
	for _, version := range []string{"", "go1.99.1", "devel go1.28-0123456789"} {
		program.Version = version
		if n, err := verifyHostile(t, program, good); !errors.Is(err, errUnknown) || n > 0 {
			t.Errorf("as %q: %d unreachable, %v", version, n, err)
		}
	}
}

// FuzzVerify is FuzzOpen for verifications.
func FuzzVerify(f *testing.F) {
	program, good := recordLeaks(f)
	addresses := slices.Sorted(maps.Keys(good))
	f.Add(make([]byte, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		bad := good.clone()
		for ; len(b) >= 16; b = b[16:] {
			at := word(b, 0)
			page := addresses[at/pageSize%uint64(len(addresses))]
			bad.put(page*pageSize+at%pageSize&^7, word(b, 8))
		}
		_, _ = verifyHostile(t, program, bad)
	})
}

// TestBudget gives a verification as many bytes as it reads before it looks again, and less
// than it keeps.
func TestBudget(t *testing.T) {
	program, good := recordLeaks(t)
	s := beginScan(t, program, good)
	if err := s.mark(); err != nil {
		t.Fatal(err)
	}
	read, kept := s.most-s.limits.Bytes, uint64(len(s.copy))
	for _, v := range s.variables {
		kept += v.to - v.from
	}
	for _, test := range []struct {
		bytes uint64
		want  error
	}{{read, nil}, {kept, errBigHeap}} {
		l := tight()
		l.Bytes = test.bytes
		if found, _, err := s.runtime.Verify(l); !errors.Is(err, test.want) || err == nil && len(found) == 0 {
			t.Errorf("%d bytes, of %d that are kept: %d unreachable, %v; want %v", test.bytes, kept, len(found), err, test.want)
		}
	}
}
