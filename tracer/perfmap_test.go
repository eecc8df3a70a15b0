package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// jit is a process, and the file that it has written for perf.
type jit struct {
	t    *testing.T
	pid  int
	path string
	end  func() // and wait until it has, once
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
	path := fmt.Sprintf("/tmp/perf-%d.map", cmd.Process.Pid)
	j := &jit{t, cmd.Process.Pid, path, sync.OnceFunc(func() {
		_ = os.Remove(path)
		_ = input.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})}
	t.Cleanup(j.end)
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

// A child names its code itself, and what it has from its parent as that did, also when the
// parent has ended.
func TestPerfMapsOfFamily(t *testing.T) {
	ss := newStacks(nil, nil, smallSpaces(t))
	parent, child := newJIT(t), newJIT(t)
	parent.writes(os.O_TRUNC, "100 10 inherited\n200 10 parents\n")
	child.writes(os.O_TRUNC, "200 10 childs\n")
	shared := &space{id: 1, pid: parent.pid, mappings: []mapping{{start: 0x100, end: 0x300}}}
	ss.spaces.byID[shared.id] = shared
	alive := map[int]*process{parent.pid: {}, child.pid: {}}
	name := func(pid int, pc uint64) string { return ss.frames(shared, pid, pc)[0].Function }
	check := func(when string) {
		t.Helper()
		for _, known := range ss.perfMaps.byPID {
			known.looked = time.Time{}
		}
		got := [...]string{name(0, 0x201), name(child.pid, 0x101), name(child.pid, 0x201)}
		if diff := cmp.Diff([...]string{"parents", "inherited", "childs"}, got); diff != "" {
			t.Errorf("%s: %s", when, diff)
		}
		ss.forgetPerfMaps(alive)
	}
	check("first")
	parent.end()
	delete(alive, parent.pid)
	check("when the parent has ended")
	child.end()
	delete(alive, child.pid)
	if ss.forgetPerfMaps(alive); len(ss.perfMaps.byPID) != 1 {
		t.Errorf("symbols of %d processes are kept, want the parent's, whose space is there", len(ss.perfMaps.byPID))
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
