package tests

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// underRights makes the test binary a tracer, whose rights are those that it was
// started with.
var underRights = flag.Int("under-rights", 0, "trace the process `PID` for TestRights, and nothing else")

// underView is what a tracer with fewer rights has seen.
type underView struct {
	Refused   string         // New failed, or Trace
	Zombies   map[string]int // outstanding, by the function that is blamed
	Unjoined  map[string]int
	Unjudged  bool // whether some finished threads were joined could not be told
	Truncated bool // some stacks do not reach the root, or not by unwind tables alone
}

// Each capability that leaktrace asks for is needed: without it something is
// missing, of another user's process whose files nobody else may read. With all
// of them nothing is, whatever else root may do.
func TestRights(t *testing.T) {
	named, unnamed := map[string]int{"leak_child": 3}, map[string]int{"": 3}
	tests := []struct {
		without string
		want    underView
	}{
		{"", underView{Zombies: named, Unjoined: map[string]int{"leak_unjoined": 3}}},
		{"bpf", underView{Refused: "load BPF programs"}},
		{"perfmon", underView{Refused: "load BPF programs"}},
		// Neither the mappings of the process can be read, for its stacks, nor its memory.
		{"sys_ptrace", underView{Zombies: unnamed, Unjudged: true, Truncated: true}},
		// Nor the program's symbols and unwind tables.
		{"dac_read_search", underView{Zombies: unnamed, Unjoined: unnamed, Truncated: true}},
	}
	for _, test := range tests {
		t.Run("without "+test.without, func(t *testing.T) {
			t.Parallel()
			p := startPrivate(t)
			got := traceWithout(t, p, test.without)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("without %s (-want +got):\n%s", test.without, diff)
			}
		})
	}
}

// A program whose file was replaced since it was started is not blamed on the code
// of the new one, though the rights that leaktrace asks for do not show it the old
// one by its mappings.
func TestReplacedProgram(t *testing.T) {
	p := startPrivate(t)
	next := p.cmd.Path + ".new"
	copyProgram(t, "crowd", next)
	if err := os.Rename(next, p.cmd.Path); err != nil {
		t.Fatal(err)
	}
	want := underView{Zombies: map[string]int{"leak_child": 3}, Unjoined: map[string]int{"leak_unjoined": 3}}
	if diff := cmp.Diff(want, traceWithout(t, p, "")); diff != "" {
		t.Errorf("with a new program under its name (-want +got):\n%s", diff)
	}
}

// startPrivate starts a program of a user in a directory of which others cannot
// even list the names.
func startPrivate(t *testing.T) *program {
	t.Helper()
	const user = 12345
	home := t.TempDir()
	path := filepath.Join(home, "leaky")
	copyProgram(t, "leaky-o2", path)
	for dir := home; dir != "/" && dir != "/tmp"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range map[string]os.FileMode{path: 0o500, home: 0o700} {
		if err := os.Chown(path, user, user); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	p := newProgram(t, path, allKinds...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	p.start((*exec.Cmd).Start)
	return p
}

// traceWithout traces a program as root without all other rights and without one
// of those that leaktrace asks for.
func traceWithout(t *testing.T, p *program, without string) underView {
	t.Helper()
	var rights strings.Builder
	for _, name := range tracer.Capabilities() {
		if name := strings.ToLower(strings.TrimPrefix(name, "CAP_")); name != without {
			rights.WriteString(",+" + name)
		}
	}
	tr := newProgram(t, "/usr/bin/setpriv", "--bounding-set=-all"+rights.String(), "--inh-caps=-all",
		os.Args[0], fmt.Sprintf("-under-rights=%d", p.pid))
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.kill)
	tr.closeRemoteEnds()
	if line := tr.line(); line != "traced" {
		return parse[underView](tr, line)
	}
	p.do("go 3")
	tr.send("look")
	return decode[underView](tr)
}

// traceUnderRights is what the test binary does with --under-rights.
func traceUnderRights(pid int) int {
	view, err := viewUnderRights(pid)
	if err != nil {
		view.Refused, _, _ = strings.Cut(err.Error(), ":")
	}
	if err := json.NewEncoder(os.Stdout).Encode(view); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func viewUnderRights(pid int) (underView, error) {
	tr, err := tracer.New(tracer.Options{Tuning: tracer.Tuning{AnyRights: true}})
	if err != nil {
		return underView{}, err
	}
	defer func() { _ = tr.Close() }()
	if err := tr.Trace(pid); err != nil {
		return underView{}, err
	}
	fmt.Println("traced")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return underView{}, err
	}
	shot, err := tr.Snapshot()
	if err != nil {
		return underView{}, err
	}
	view := underView{Zombies: blamedFor(shot, tracer.Zombie), Unjoined: blamedFor(shot, tracer.UnjoinedThread)}
	for _, lost := range shot.Lost {
		view.Unjudged = view.Unjudged || lost.Name == "finished_threads_unjudged" && lost.Count > 0
	}
	for quality, count := range shot.StackQuality {
		view.Truncated = view.Truncated || quality != tracer.Complete && count > 0
	}
	return view, nil
}

// blamedFor counts the outstanding objects of a kind by function; nil if there are none.
func blamedFor(shot *tracer.Snapshot, kind tracer.Kind) map[string]int {
	var out map[string]int
	for _, site := range shot.Sites {
		if site.Kind != kind || len(site.Outstanding) == 0 {
			continue
		}
		if out == nil {
			out = make(map[string]int)
		}
		function := noStack
		if site.Stack.Site >= 0 {
			function = site.Stack.Frames[site.Stack.Site].Function
		}
		out[function] += len(site.Outstanding)
	}
	return out
}
