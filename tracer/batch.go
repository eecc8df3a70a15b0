package tracer

import (
	"errors"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// readBatch is how many entries of a hash map are read by one system call.
const readBatch = 256

// readMap reads all of a hash map that programs change meanwhile. The kernel
// copies one bucket after the other, each under its lock, and entries never move
// to another: so what is there all the time is seen exactly once.
func readMap[K, V any](m *ebpf.Map, each func(*K, *V)) error {
	keys, values := make([]K, readBatch), make([]V, readBatch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookup(&cursor, keys, values, nil)
		if errors.Is(err, unix.ENOSPC) {
			// A bucket is fuller than this, and was not passed.
			keys, values = make([]K, 2*len(keys)), make([]V, 2*len(values))
			continue
		}
		if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return err
		}
		for i := range n {
			each(&keys[i], &values[i])
		}
		if err != nil {
			return nil // that was the last
		}
	}
}
