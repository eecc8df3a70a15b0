package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// jit is a process, and the file that it has written for perf.
type jit struct {
	t    *testing.T
	pid  int
	path string
}

func newJIT(t *testing.T) *jit {
	t.Helper()
	cmd := exec.Command("cat")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j := &jit{t, cmd.Process.Pid, fmt.Sprintf("/tmp/perf-%d.map", cmd.Process.Pid)}
	t.Cleanup(func() {
		_ = os.Remove(j.path)
		_ = input.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return j
}

// writes truncates the file first unless flags has os.O_APPEND.
func (j *jit) writes(flags int, lines string) {
	j.t.Helper()
	f, err := os.OpenFile(j.path, os.O_WRONLY|os.O_CREATE|flags, 0o600)
	if err != nil {
		j.t.Fatal(err)
	}
	if _, err := f.WriteString(lines); err != nil {
		j.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		j.t.Fatal(err)
	}
}

// name looks an address up as if nobody had for a while.
func (p *perfMaps) name(pid int, whose *tenant, pc uint64) (name string) {
	if known := p.byPID[pid]; known != nil {
		known.looked = time.Time{}
	}
	if symbols := p.of(pid, whose); symbols != nil {
		name, _ = symbols.Lookup(pc)
	}
	return name
}

// What is appended is read, and only that; what is written anew is read anew.
func TestPerfMapsGrow(t *testing.T) {
	j := newJIT(t)
	p := newPerfMaps(maxPerfMaps)
	filler := strings.Repeat("1000 10 filler\n", 1000)
	for _, step := range []struct {
		what, lines string
		flags       int
		want        [2]string // at 0x100 and 0x200
		anew        bool
	}{
		{"nothing", "", os.O_TRUNC, [2]string{"", ""}, true},
		{"one", "100 10 one\n" + filler, os.O_TRUNC, [2]string{"one", ""}, true},
		{"another", "200 10 another\n100 10", os.O_APPEND, [2]string{"one", "another"}, false},
		{"the rest of a line", " third\n", os.O_APPEND, [2]string{"third", "another"}, false},
		{"all anew", "200 10 fresh\n" + filler + filler, os.O_TRUNC, [2]string{"", "fresh"}, true},
		{"all anew, shorter", "100 10 last\n", os.O_TRUNC, [2]string{"last", ""}, true},
		{"no file", "", -1, [2]string{"", ""}, true},
	} {
		before := p.all.paid
		if step.flags < 0 {
			if err := os.Remove(j.path); err != nil {
				t.Fatal(err)
			}
		} else {
			j.writes(step.flags, step.lines)
		}
		got := [2]string{p.name(j.pid, nil, 0x100), p.name(j.pid, nil, 0x200)}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: %s", step.what, diff)
		}
		if !step.anew && p.all.paid.Sub(before) > time.Duration(len(filler))*time.Second/(maxPerfMaps/symbolsRate) {
			t.Errorf("%s: what was read before is read again", step.what)
		}
	}
	if p.all.bytes != 0 {
		t.Errorf("%d bytes are kept of no file", p.all.bytes)
	}
}

// One cgroup's processes can neither take the room of others', nor have us read
// without an end.
func TestPerfMapsShare(t *testing.T) {
	ss := newStacks(nil, nil, smallSpaces(t))
	ss.perfMaps = newPerfMaps(1 << 20)
	p := &ss.perfMaps
	greedy, modest := &tenant{}, &tenant{}
	var lines strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&lines, "%x 10 f%d\n", 0x100+0x10*i, i)
	}
	for range 5 {
		j := newJIT(t)
		j.writes(os.O_TRUNC, lines.String())
		for range 5 {
			p.name(j.pid, greedy, 0x100)
		}
	}
	j := newJIT(t)
	j.writes(os.O_TRUNC, "100 10 modest\n")
	if got := p.name(j.pid, modest, 0x100); got != "modest" {
		t.Errorf("got %q for the modest", got)
	}
	if most := p.max/symbolsShare + 1024; greedy.symbols.bytes > most || greedy.refused.symbols == 0 || modest.refused.symbols > 0 {
		t.Errorf("the greedy has %d bytes, want %d at most; refused %d, and %d of the modest's",
			greedy.symbols.bytes, most, greedy.refused.symbols, modest.refused.symbols)
	}
	// Of lines that are worth nothing there is no end either.
	greedy, j = &tenant{}, newJIT(t)
	j.writes(os.O_TRUNC, strings.Repeat("?\n", 1<<20))
	for range 20 {
		p.name(j.pid, greedy, 0x100)
	}
	if most := p.max/symbolsShare + p.max/symbolsLook; p.byPID[j.pid].done > most {
		t.Errorf("%d bytes were read at once, want %d at most", p.byPID[j.pid].done, most)
	}
	ss.forgetPerfMaps(nil)
	if p.all.bytes != 0 || greedy.symbols.bytes != 0 || len(p.byPID) > 0 {
		t.Errorf("%d and %d bytes are left of %d processes that are gone", p.all.bytes, greedy.symbols.bytes, len(p.byPID))
	}
}
