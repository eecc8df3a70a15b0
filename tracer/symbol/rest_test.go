package symbol

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Debug information that nobody asks for is let go of, and read again.
func TestRest(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.c", cProgram)
	run(t, dir, "gcc", "-O2", "-g", "a.c", "-o", "a")
	f := open(t, filepath.Join(dir, "a"), "")
	at := calls(t, dir, []string{"outer"})
	before := f.Frames(at[0])
	f.took = 0 // it depends on the machine
	f.Rest(f.used.Add(restAfter - 1))
	if f.info == nil {
		t.Error("it does not keep what was just used")
	}
	f.info.slow = 1
	f.Rest(f.used.Add(restAfter))
	if f.info != nil {
		t.Error("it keeps what nobody uses")
	}
	f.remembered = nil
	if diff := cmp.Diff(before, f.Frames(at[0])); diff != "" {
		t.Error(diff)
	}
	if f.info == nil || f.info.slow != 1 {
		t.Error("it forgets how slow the file was")
	}
	f.took = time.Second
	f.Rest(f.used.Add(restShare*time.Second - 1))
	if f.info == nil {
		t.Error("it does not keep what takes long to read")
	}
	f.info.slow = maxSlow
	f.Rest(f.used.Add(restShare * time.Second))
	if f.index(); f.info != nil {
		t.Error("it reads again what was given up")
	}
}
