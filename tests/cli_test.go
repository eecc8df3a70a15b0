package tests

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// buildLeaktrace builds the program that the scripts use, once, and returns its
// path.
var buildLeaktrace = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../build/leaktrace-test/leaktrace")
	if err != nil || *built {
		return path, err
	}
	build := exec.Command("go", "build", "-o", path, "../cmd/leaktrace")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does
	output, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build leaktrace: %w\n%s", err, output)
	}
	return path, nil
})

// The scripts in testdata use leaktrace as a user does. To the usual commands
// of testscript (exec, stdout, stderr, grep, ...) they add:
//
//	status N COMMAND...         run to the end; the exit status must be N
//	refuse N PATTERN COMMAND... as status N, with exactly one line on stderr, which
//	                            begins with "leaktrace: " and matches, and no output
//	start NAME COMMAND...       run in the background; its pid is in $NAME
//	terminal NAME COMMAND...    the same on a terminal of its own, 100 columns wide
//	await NAME PATTERN          wait until its output (of both kinds) matches
//	tell NAME LINE              send a line and wait for one that answers it
//	type NAME TEXT              send characters, in Go's syntax: '\x03' is Ctrl-C
//	signal NAME SIGNAL          send a signal
//	finish NAME N               end its input, wait for its end; its exit status must be N
//	pane NAME WIDTH HEIGHT      a shell on a terminal that tmux keeps; its pid is in $NAME
//	press NAME KEY...           keys, as tmux calls them, or text
//	shows NAME PATTERN          wait until the screen matches; negated, until it does not
//	resize NAME WIDTH HEIGHT    another size of the terminal
//	restored NAME               wait until the terminal is as it was at first, with a prompt
//	child VARIABLE PID          find the only child of a process
//	attached NAME               it holds BPF programs in the kernel
//	unattached                  every BPF program of leaktrace's is held by some process
//	report FILE                 read a JSON report (or stdout) and check it against the schema
//	has PATH                    the report has this field: sites.0.stack.1.line
//	site KIND FUNCTION K=V...   the report has such a site; a path as K, in which * is
//	                            any element; also K>=V, K<=V and K~REGEXP; V of `call`
//	                            is part of the source line that the site names
//	port VARIABLE               find a port that nobody listens on
//	page URL PATTERN            wait until what is served there, after its status,
//	                            matches; negated, until it does not
//	unit NAME                   make a cgroup that is called as a systemd unit's: $NAME;
//	                            a pid written to $NAME_PROCS is moved into it
func TestScripts(t *testing.T) {
	leaktrace, err := buildLeaktrace()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", strings.Join([]string{filepath.Dir(leaktrace), programs, os.Getenv("PATH"), "/usr/sbin:/sbin"}, ":"))
			e.Setenv("LEAKTRACE", leaktrace)
			e.Setenv("PROGRAMS", programs)
			e.Setenv("HOME", os.Getenv("HOME")) // the go command's cache is there
			e.Values[scriptKey{}] = &script{processes: make(map[string]*background), panes: make(map[string]*pane)}
			// Another user must be able to reach the work directory.
			return os.Chmod(filepath.Dir(e.WorkDir), 0o755)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": runToStatus, "refuse": refuse,
			"start": startBackground, "terminal": startOnTerminal,
			"await": await, "tell": tell, "type": typeText, "signal": sendSignal, "finish": finish, "child": child, "port": freePort,
			"pane": openPane, "press": press, "shows": shows, "resize": resize, "restored": restored,
			"attached": attached, "unattached": unattached,
			"page": page, "unit": unit,
			"report": readReport, "has": hasField, "site": hasSite,
		},
	})
}

// script is what one script remembers.
type script struct {
	processes map[string]*background
	panes     map[string]*pane
	report    any
}

type scriptKey struct{}

func of(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

// usage checks the number of arguments of a command that cannot be negated.
func usage(ts *testscript.TestScript, neg bool, args []string, least int, words string) {
	if neg || len(args) < least {
		ts.Fatalf("usage: %s", words)
	}
}

func number(ts *testscript.TestScript, text string) int {
	n, err := strconv.Atoi(text)
	ts.Check(err)
	return n
}

// outcome runs a command to its end, with its output for `stdout` and `stderr`.
func outcome(ts *testscript.TestScript, args []string) (status int) {
	err := ts.Exec(args[0], args[1:]...)
	if err == nil {
		return 0
	}
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		ts.Fatalf("run %s: %v", args[0], err)
	}
	return exitStatus(ended.ProcessState)
}

// exitStatus is a status as shells show it.
func exitStatus(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}

func runToStatus(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "status N COMMAND...")
	if got, want := outcome(ts, args[1:]), number(ts, args[0]); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func refuse(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 3, "refuse N PATTERN COMMAND...")
	if got, want := outcome(ts, args[2:]), number(ts, args[0]); got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	line, err := regexp.Compile("^leaktrace: .*(?:" + args[1] + ").*\n$")
	ts.Check(err)
	if said := ts.ReadFile("stderr"); !line.MatchString(said) {
		ts.Fatalf("stderr is not one line that matches %s:\n%s", line, said)
	}
	if output := ts.ReadFile("stdout"); output != "" {
		ts.Fatalf("unexpected output:\n%s", output)
	}
}

func freePort(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "port VARIABLE")
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	ts.Check(err)
	ts.Check(listener.Close())
	ts.Setenv(args[0], port)
}

func child(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 2, "child VARIABLE PID")
	pid := number(ts, args[1])
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", pid))
	ts.Check(err)
	if fields := strings.Fields(string(children)); len(fields) == 1 {
		ts.Setenv(args[0], fields[0])
		return
	}
	ts.Fatalf("process %d has not one child: %q", pid, children)
}
