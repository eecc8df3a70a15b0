package main

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// Rights for BPF are kept only where they are asked for, and whatever else does not
// work keeps none.
func TestNarrow(t *testing.T) {
	const bpf = 1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON
	denied, other := fmt.Errorf("read map: %w", unix.EPERM), errors.New("no memory")
	all := uint64(1<<unix.CAP_SYS_ADMIN | lastingRights | bpf)
	for name, tt := range map[string]struct {
		without, with error // what works fails with, without rights for BPF and with them
		refuses       error // what setting rights fails with
		kept          bool
		broken, err   error
		permitted     uint64
	}{
		"needs none":        {nil, nil, nil, false, nil, nil, lastingRights},
		"needs BPF":         {denied, nil, nil, true, nil, nil, lastingRights | bpf},
		"needs more":        {denied, denied, nil, true, nil, denied, all},
		"broken":            {other, other, nil, false, other, nil, lastingRights},
		"broken with BPF":   {denied, other, nil, true, other, nil, lastingRights | bpf},
		"cannot give up":    {nil, nil, other, false, nil, other, all},
		"cannot, and broke": {other, nil, other, false, nil, other, all},
	} {
		t.Run(name, func(t *testing.T) {
			effective, permitted := all, all
			set := func(e, p uint64) error {
				if tt.refuses == nil {
					effective, permitted = e, p
				}
				return tt.refuses
			}
			kept, broken, err := narrow(all, set, func() error {
				if effective&bpf == 0 {
					return tt.without
				}
				return tt.with
			})
			if kept != tt.kept || !errors.Is(broken, tt.broken) || !errors.Is(err, tt.err) || permitted != tt.permitted {
				t.Errorf("kept %t, broken %v, error %v, permitted %#x", kept, broken, err, permitted)
			}
		})
	}
}
