package goroutine

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// counted notes how much is read at a time of memory of which each byte is its address.
type counted struct {
	pieces, bytes int // at most
	end           uint64
	err           error // behind end
}

// Read implements Memory.
func (m *counted) Read(p []byte, pieces ...unix.RemoteIovec) (n int, err error) {
	m.pieces, m.bytes = max(m.pieces, len(pieces)), max(m.bytes, len(p))
	for _, want := range pieces {
		for i := range want.Len {
			if uint64(want.Base)+uint64(i) >= m.end {
				return n, m.err
			}
			p[n] = byte(int(want.Base) + i)
			n++
		}
	}
	return n, nil
}

// TestPortioned reads as much as a call can, up to an end.
func TestPortioned(t *testing.T) {
	var pieces []unix.RemoteIovec
	var want []byte
	for i, size := range append(slices.Repeat([]int{8}, 1000), 3*mostBytes+5, 0, 7, mostBytes) {
		at := uint64(i * 16)
		pieces = append(pieces, piece(at, size))
		for j := range size {
			want = append(want, byte(int(at)+j))
		}
	}
	hung := errors.New("hung")
	for name, test := range map[string]struct {
		end         uint64
		err, failed error
		want        []byte
	}{
		"all there":     {1 << 40, nil, nil, want},
		"none there":    {0, unix.EFAULT, nil, nil},
		"some there":    {16, unix.EFAULT, nil, want[:16-8]},
		"not a mapping": {16, hung, hung, want[:16-8]},
	} {
		t.Run(name, func(t *testing.T) {
			from := &counted{end: test.end, err: test.err}
			m := &portioned{Memory: from, limits: &Limits{Until: time.Now().Add(time.Hour)}}
			got := make([]byte, len(want))
			n, err := m.Read(got, pieces...)
			if diff := cmp.Diff(test.want, got[:n], cmp.Transformer("", func(b []byte) string { return string(b) })); diff != "" || !errors.Is(err, test.err) || !errors.Is(m.failed, test.failed) {
				t.Errorf("%d bytes, %v, failed %v\n%s", n, err, m.failed, diff)
			}
			if from.pieces > mostPieces || from.bytes > mostBytes {
				t.Errorf("%d pieces and %d bytes at a time", from.pieces, from.bytes)
			}
		})
	}
}

// TestHung verifies a process whose memory does not come any more, whenever that begins.
func TestHung(t *testing.T) {
	program, good := recordLeaks(t)
	hung := errors.New("hung")
	r, err := Open(program, good, NewRoom())
	if err != nil {
		t.Fatal(err)
	}
	all := &hanging{recorded: good, after: 1 << 30}
	for range 2 { // the second time it is known where the heap is
		all.reads = 0
		r.memory = all
		if found, _, err := r.Verify(tight()); err != nil || len(found) == 0 {
			t.Fatalf("%d unreachable, %v", len(found), err)
		}
	}
	for after := range all.reads {
		r.memory = &hanging{recorded: good, after: after, err: hung}
		if found, _, err := r.Verify(tight()); !errors.Is(err, hung) || len(found) > 0 {
			t.Errorf("after %d of %d: %d unreachable, %v", after, all.reads, len(found), err)
		}
	}
}

// hanging is memory that comes so many times.
type hanging struct {
	recorded
	reads, after int
	err          error
}

// Read implements Memory.
func (m *hanging) Read(p []byte, pieces ...unix.RemoteIovec) (int, error) {
	if m.reads++; m.reads > m.after {
		return 0, m.err
	}
	return m.recorded.Read(p, pieces...)
}
