package limit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Maps have no order of their own: a wrong choice shows after some tries.
func TestCommonest(t *testing.T) {
	for range 100 {
		if got := commonest(map[uint64]uint64{3: 1, 7: 2, 8: 2, 9: 2}); got != 7 {
			t.Fatalf("got %d, want 7", got)
		}
	}
}

func TestParseSpace(t *testing.T) {
	const (
		code   = "55d000000000-55d000001000 r-xp 00000000 fe:00 11 /usr/bin/a b\n"
		stack1 = "7f0000000000-7f0000001000 ---p 00000000 00:00 0\n7f0000001000-7f0000011000 rw-p 00000000 00:00 0\n"
		stack2 = "7f0000011000-7f0000012000 ---p 00000000 00:00 0\n7f0000012000-7f0000022000 rw-p 00000000 00:00 0\n"
		larger = "7f0000022000-7f0000023000 ---p 00000000 00:00 0\n7f0000023000-7f0000053000 rwxp 00000000 00:00 0\n"
	)
	tests := map[string]struct {
		maps string
		want *space
	}{
		"no stack":          {code, &space{mappings: 1}},
		"stacks":            {code + stack1 + stack2 + larger, &space{mappings: 7, stack: 0x11000, stacks: 2}},
		"as many of a size": {stack1 + larger, &space{mappings: 4, stack: 0x11000, stacks: 1}},
		"named by glibc":    {strings.ReplaceAll(stack1, ":00 0\n", ":00 0 [anon: glibc: pthread stack: 7]\n"), &space{mappings: 2, stack: 0x11000, stacks: 1}},
		"not adjacent":      {strings.Replace(stack1, "1000-7f0000011000", "2000-7f0000011000", 1), &space{mappings: 2}},
		"a file":            {strings.ReplaceAll(stack1, ":00 0\n", ":00 9 /a\n"), &space{mappings: 2}},
		"a guard of a file": {strings.Replace(stack1, ":00 0\n", ":00 9 /a\n", 1), &space{mappings: 2}},
		"above a guard":     {strings.Replace(stack1, "rw-p 00000000 00:00 0\n", "rw-p 00000000 00:00 9 /a\n", 1), &space{mappings: 2}},
		"an unnamed file":   {strings.ReplaceAll(stack1, ":00 0\n", ":00 9\n"), &space{mappings: 2}},
		"a read-only piece": {strings.ReplaceAll(stack1, "rw-p", "r--p"), &space{mappings: 2}},
		"no guard":          {strings.ReplaceAll(stack1, "---p", "rw-p"), &space{mappings: 2}},
		"as large a guard":  {"1000-2000 ---p 0 00:00 0\n2000-3000 rw-p 0 00:00 0\n", &space{mappings: 2}},
		"not counted":       {code + "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n", &space{mappings: 1}},
		"ended":             {"", nil},
		"short line":        {code + "55d000001000-55d000002000 r-xp\n", nil},
		"no address":        {code + "x-y r-xp 00000000 fe:00 11 /a\n", nil},
		"backwards":         {"2000-1000 r-xp 00000000 fe:00 11 /a\n", nil},
		"endless line":      {code + strings.Repeat("x", 1<<20), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var want space
			if test.want != nil {
				want = *test.want
			}
			got, ok := parseSpace(strings.NewReader(test.maps))
			if ok != (test.want != nil) {
				t.Fatalf("got %+v, %v", got, ok)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(space{})); ok && diff != "" {
				t.Error(diff)
			}
		})
	}
}
