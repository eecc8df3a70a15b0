package goroutine

import (
	"encoding/binary"
	"errors"
	"testing"
)

// The garbage collector's own list of goroutines is not taken for the runtime's.
func TestFindList(t *testing.T) {
	const bss, pointers, goroutines = 0x10000, 0x20000, 0x30000
	const copied = 200 // pointers to goroutines; what follows is something else
	for name, tt := range map[string]struct {
		lists [][2]uint64 // len and cap, each in the next three words of .bss
		want  uint64
	}{
		"none":             {nil, 0},
		"one":              {[][2]uint64{{5, 8}}, bss},
		"too few":          {[][2]uint64{{fewest - 1, 8}}, 0},
		"collecting":       {[][2]uint64{{5, 8}, {5, 5}}, bss},
		"collecting first": {[][2]uint64{{5, 5}, {5, 8}}, bss + 24},
		"grown since":      {[][2]uint64{{5, 5}, {6, 6}}, bss + 24},
		"alike":            {[][2]uint64{{5, 5}, {5, 5}}, 0},
		"alike but one":    {[][2]uint64{{5, 5}, {5, 5}, {6, 8}}, bss + 48},
		"long":             {[][2]uint64{{copied, copied}}, bss},
		"left of a copy":   {[][2]uint64{{5, 8}, {2 * copied, 2 * copied}}, bss},
	} {
		t.Run(name, func(t *testing.T) {
			m := recorded{bss / pageSize: make([]byte, pageSize), pointers / pageSize: make([]byte, pageSize), goroutines / pageSize: make([]byte, pageSize)}
			put := func(at, value uint64) { binary.NativeEndian.PutUint64(m[at/pageSize][at%pageSize:], value) }
			for i := range uint64(copied) {
				g := goroutines + i%8*headSize
				put(pointers+8*i, g)
				put(g+offSelf, g)
			}
			for i, l := range tt.lists {
				at := uint64(bss + 24*i)
				put(at, pointers)
				put(at+8, l[0])
				put(at+16, l[1])
			}
			at, err := findList(m, section{bss, bss + pageSize})
			if at != tt.want || (err == nil) != (tt.want != 0) || err != nil && !errors.Is(err, ErrEarly) {
				t.Errorf("found at %#x, error %v, want %#x", at, err, tt.want)
			}
		})
	}
}
