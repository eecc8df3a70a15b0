package unwind

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/ebpf-profiler/nativeunwind/stackdeltatypes"
)

var (
	ruleA = Rule{BaseReg: 3, Param: 8}
	ruleB = Rule{BaseReg: 3, Param: 16}
	none  = stackdeltatypes.UnwindInfoInvalid
)

func block(start, end uint64, deltas ...stackdeltatypes.StackDelta) *stackdeltatypes.BasicBlock {
	return &stackdeltatypes.BasicBlock{Start: start, End: end, Deltas: deltas}
}

func TestFlatten(t *testing.T) {
	a, b := stackdeltatypes.StackDelta{Info: ruleA}, stackdeltatypes.StackDelta{Offset: 4, Info: ruleB}
	tests := []struct {
		name   string
		blocks []*stackdeltatypes.BasicBlock
		want   Table
	}{
		{"nothing", nil, nil},
		{"one function", []*stackdeltatypes.BasicBlock{block(0x10, 0x20, a, b)}, Table{{0x10, ruleA}, {0x14, ruleB}, {0x20, none}}},
		{"adjacent", []*stackdeltatypes.BasicBlock{block(0x10, 0x20, a), block(0x20, 0x30, a, b)}, Table{{0x10, ruleA}, {0x24, ruleB}, {0x30, none}}},
		{"gap", []*stackdeltatypes.BasicBlock{block(0x10, 0x20, a), block(0x28, 0x30, a)}, Table{{0x10, ruleA}, {0x20, none}, {0x28, ruleA}, {0x30, none}}},
		{"overlap", []*stackdeltatypes.BasicBlock{block(0x10, 0x20, a), block(0x18, 0x30, b)}, Table{{0x10, ruleA}, {0x20, none}}},
		{"end before start", []*stackdeltatypes.BasicBlock{block(0x30, 0x20, a)}, nil},
		{"above 4 GiB", []*stackdeltatypes.BasicBlock{block(0x10, 0x20, a), block(1<<32, 1<<32+8, a)}, Table{{0x10, ruleA}, {0x20, none}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, flatten(test.blocks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// self is a large file with every kind of unwind information, though on arm64
// all of Go but a few functions goes by frame pointer, and is few rows.
const self = "/proc/self/exe"

func TestExtractSelf(t *testing.T) {
	table, err := Extract(self)
	if err != nil {
		t.Fatal(err)
	}
	if len(table) < 10 {
		t.Fatalf("only %d rows", len(table))
	}
	for i := 1; i < len(table); i++ {
		if table[i-1].PC >= table[i].PC {
			t.Fatalf("row %d at %#x is not above row %d at %#x", i, table[i].PC, i-1, table[i-1].PC)
		}
	}
}

func TestExtractRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no ELF file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, t.TempDir(), "/dev/zero", "/nowhere"} {
		if table, err := Extract(path); err == nil {
			t.Errorf("%s: got %d rows, want an error", path, len(table))
		}
	}
}

// TestExtractDamaged feeds files damaged at random, as a hostile process may
// map. Whatever comes out, it comes soon and without a panic.
func TestExtractDamaged(t *testing.T) {
	const seed, files, patience = 42, 150, 10 * time.Second
	whole, err := os.ReadFile("/bin/ls")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, seed))
	path := filepath.Join(t.TempDir(), "damaged")
	for i := range files {
		damaged := damage(random, whole)
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		table, _ := Extract(path)
		if spent := time.Since(start); spent > patience {
			t.Errorf("file %d took %s", i, spent)
		}
		if len(table) > MaxRows {
			t.Errorf("file %d has %d rows", i, len(table))
		}
	}
}

// damage truncates a file or overwrites some of it, headers above all.
func damage(random *rand.Rand, whole []byte) []byte {
	out := append([]byte(nil), whole...)
	if random.IntN(3) == 0 {
		return out[:random.IntN(len(out))]
	}
	for range 1 + random.IntN(64) {
		reach := len(out)
		if random.IntN(2) == 0 {
			reach = 0x400
		}
		out[random.IntN(reach)] = byte(random.Uint32())
	}
	return out
}

func TestPack(t *testing.T) {
	const flags, base, aux = 0x08, 0x4, 0xc
	rule := Rule{Flags: flags, BaseReg: base, AuxBaseReg: aux, Param: -6, AuxParam: -maxParam}
	packed := Pack(rule)
	// As the BPF program unpacks it.
	got := Rule{
		Flags: uint8(packed), BaseReg: uint8(packed >> 8 & 0xf), AuxBaseReg: uint8(packed >> 12 & 0xf),
		Param: int32(int64(packed<<24) >> 40), AuxParam: int32(int64(packed) >> 40),
	}
	if got != rule {
		t.Errorf("got %+v, want %+v", got, rule)
	}
	for _, rule := range []Rule{{Param: maxParam + 1}, {AuxParam: -maxParam - 1}, {BaseReg: 16}} {
		if packs(rule) {
			t.Errorf("%+v packs", rule)
		}
	}
}
