package export

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/triage"
)

func candidates(t *testing.T, l *triage.Look, sudo string) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteCandidates(&out, l, sudo, sudo == "", TextOptions{}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestCandidates(t *testing.T) {
	named := func(pid int, comm string) tracer.Process { return tracer.Process{PID: pid, Comm: comm} }
	tests := map[string]struct {
		look triage.Look
		sudo string
		want string
	}{
		"nothing": {triage.Look{Processes: 12}, "",
			"nothing odd in 12 processes: no zombies, no sockets in CLOSE_WAIT, nobody with 200 threads or near a\n    limit\n"},
		"none that could be read": {triage.Look{Processes: 4, Unreadable: []int{1, 22, 333, 4444}}, "sudo ",
			"no zombies and nobody with 200 threads, of 4 processes; more could not be looked at\n" +
				"4 processes could not be read (pid 1, 22, 333, ...): run as root to see what they hold\n"},
		"some that could be read": {triage.Look{Processes: 4, Unreadable: []int{1}}, "",
			"no zombies and nobody with 200 threads, of 4 processes; no sockets in CLOSE_WAIT and nobody near a\n" +
				"    limit, of the 3 that could be read\n1 process could not be read (pid 1)\n"},
		"all kinds": {triage.Look{Processes: 1204, Unreadable: []int{1, 2, 3}, Unowned: 1, Partial: true, Worst: []triage.Process{
			{Process: named(4711, "orders"), Threads: 17, CloseWait: 990, Limits: []limit.Limit{
				{Name: "RLIMIT_NOFILE of orders (pid 4711)", Resource: limit.Descriptors, Used: 1003, Max: 1024},
				{Name: "pids.max of /kubepods.slice/kubepods-burstable.slice/pod7", Resource: limit.Tasks, Used: 9, Max: 10},
			}},
			{Process: named(8, "\x1b[2J"), Zombies: []triage.Name{{Name: "a\n", Count: 3}, {Name: "b", Count: 2}, {Name: "c", Count: 1}, {Name: "d", Count: 1}}},
			{Process: named(9, "java"), Threads: 30213},
		}}, "sudo ", `worth a look, of 1,204 processes, the worst first

 PID  PROCESS  WHAT IS ODD                                             TO FIND OUT WHY
4711  orders   1,003 of 1,024 descriptors (97%): RLIMIT_NOFILE         sudo leaktrace run --pid 4711
               9 of 10 tasks (90%): pids.max of /kubepods.slice/ku...
               990 sockets in CLOSE_WAIT
   8  \x1b[2J  7 zombies it must reap: a\x0a, b, c, ...                sudo leaktrace run --pid 8
   9  java     30,213 threads                                          sudo leaktrace run --pid 9
3 processes could not be read (pid 1, 2, 3): run as root to see what they hold
1 socket in CLOSE_WAIT is held by no process that could be read
there are too many descriptors to look at them all: more sockets may be in CLOSE_WAIT
`},
		"root": {triage.Look{Processes: 1, Unreadable: []int{14}, Worst: []triage.Process{{Process: named(9, "java"), Threads: 300}}}, "",
			`worth a look, of 1 process, the worst first

PID  PROCESS  WHAT IS ODD  TO FIND OUT WHY
  9  java     300 threads  leaktrace run --pid 9
1 process could not be read (pid 14)
`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, candidates(t, &tt.look, tt.sudo)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCandidatesAreBounded(t *testing.T) {
	hostile := strings.Repeat("\x1b[31m\u202e\xff\n", 3)
	look := triage.Look{Processes: 10000}
	for pid := range 10000 {
		look.Worst = append(look.Worst, triage.Process{
			Process: tracer.Process{PID: pid, Comm: hostile},
			Zombies: []triage.Name{{Name: hostile, Count: 1}},
			Limits:  []limit.Limit{{Name: fmt.Sprintf("RLIMIT_NOFILE of %s (pid %d)", hostile, pid), Used: 1, Max: 0}},
		})
	}
	text := candidates(t, &look, "sudo ")
	if n := strings.Count(text, "\n"); n > 2*maxCandidates+4 || !strings.Contains(text, "... and 9,980 more processes\n") {
		t.Errorf("%d lines:\n%s", n, text)
	}
	for _, r := range text {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%q is in\n%s", r, text)
		}
	}
}
