package symbol

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// exercise opens a file and asks it everything. It must end soon, whatever
// the file.
func exercise(t testing.TB, path string) {
	start := time.Now()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(f, path, "")
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	for _, p := range s.img.Progs {
		for i := range uint64(20) {
			if got := s.Frames(p.Vaddr + i*p.Memsz/20); len(got) == 0 {
				t.Error("no frames")
			}
		}
	}
	s.Symbol("main")
	_ = s.ReadAt(s.img.Entry, make([]byte, 16))
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// FuzzOpen opens damaged files.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	write(f, dir, "a.c", cProgram)
	run(f, dir, "gcc", "-O2", "-g", "a.c", "-o", "a")
	good, err := os.ReadFile(filepath.Join(dir, "a"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		p := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		exercise(t, p)
	})
}

// TestDamaged overwrites random bytes of real files, of the tables above all.
func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.c", cProgram)
	write(t, dir, "main.go", "package main\n\nfunc main() { println(1) }\n")
	run(t, dir, "gcc", "-O2", "-g", "a.c", "-o", "a")
	run(t, dir, "go", "build", "-ldflags=-s -w", "-o", "g", "main.go")
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"a", "g"} {
		good, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for range 150 {
			bad := append([]byte(nil), good...)
			for range 1 + rng.IntN(len(bad)/200) {
				bad[rng.IntN(len(bad))] = byte(rng.Uint32())
			}
			copy(bad, good[:64]) // keep the file header, so that more is parsed
			if rng.IntN(4) == 0 {
				bad = bad[:rng.IntN(len(bad))]
			}
			write(t, dir, "bad", string(bad))
			exercise(t, filepath.Join(dir, "bad"))
		}
	}
}
