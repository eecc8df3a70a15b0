package tests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The incidents of programs/incidents, found as an engineer on call would: attached to
// a running service for some seconds. The line to blame is in the first ten of the
// report, and in what pprof says by default; neither accuses anything else but what
// the service leaked before it was traced.
func TestIncidents(t *testing.T) {
	t.Parallel()
	leaktrace, err := buildLeaktrace()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []incident{
		{"agents", "agents/main.go", "goroutine", "main.(*supervisor).restart"},
		{"analytics", "analytics.cc", "thread", "acme::AnalyticsClient::send"},
		{"deadlines", "deadlines.c", "unjoined-thread", "with_deadline"},
		{"imaging", "imaging.c", "zombie", "imaging_convert"},
		{"policies", "policies.c", "close-wait", "fetch_policy"},
	} {
		t.Run(i.program, func(t *testing.T) {
			t.Parallel()
			place := fmt.Sprintf(`%s(\(\))? \(%s:%d\)`, regexp.QuoteMeta(i.culprit), regexp.QuoteMeta(filepath.Base(i.source)), i.line(t))
			text, top := i.replay(t, leaktrace, place)
			i.checkText(t, text, place)
			i.checkTop(t, top, place)
		})
	}
}

// incident is a program of programs/incidents.
type incident struct{ program, source, kind, culprit string }

// line is where the source says that the culprit is.
func (i incident) line(t *testing.T) int {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("programs/incidents", i.source))
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := bytes.Cut(source, []byte("to blame */"))
	if !found {
		before, _, found = bytes.Cut(source, []byte("; // to blame"))
	}
	if !found {
		t.Fatalf("no line of %s is marked as the one to blame", i.source)
	}
	return 1 + bytes.Count(before, []byte("\n"))
}

// replay records the program, and renders that as a report and as a profile.
func (i incident) replay(t *testing.T, leaktrace, place string) (text, top string) {
	t.Helper()
	service := exec.Command(filepath.Join(programs, "incidents", i.program), "600")
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = service.Process.Kill()
		_ = service.Wait()
	}()
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "PPROF_TMPDIR="+dir)
		output, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", cmd.Args, err)
		}
		return string(output)
	}
	i.record(t, dir, leaktrace, service.Process.Pid, place)
	run(leaktrace, "report", "--format", "pprof", "--output", "profile", "leaktrace.ltz")
	return run(leaktrace, "report", "leaktrace.ltz"), run("go", "tool", "pprof", "-top", "profile")
}

// record records for six seconds, in which leaktrace could accuse the wrong, and for as
// long as it takes to find the leak: on a machine that is busy there are few snapshots.
func (i incident) record(t *testing.T, dir, leaktrace string, pid int, place string) {
	t.Helper()
	found := regexp.MustCompile(`(?m)after (?:[6-9]|\d\d|.*m\d\d)s: (?:.*\n)*?LEAK +` + i.kind + ` .*\+[\d.]+/s .*` + place + `$`)
	cmd := exec.Command(leaktrace, "record", "--pid", fmt.Sprint(pid), "--interval", "500ms", "--min-age", "1s", "--limit", "close-wait=1024")
	output := new(stream)
	cmd.Dir, cmd.Stderr, cmd.WaitDelay = dir, output, patience
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaited := output.await(found)
	err := errors.Join(awaited, cmd.Process.Signal(syscall.SIGINT), cmd.Wait())
	if err != nil {
		t.Fatalf("record: %v\n%s", err, output)
	}
}

func (i incident) checkText(t *testing.T, text, place string) {
	t.Helper()
	lines := strings.SplitAfter(text, "\n")
	first := strings.Join(lines[:min(10, len(lines))], "")
	_, table, _ := strings.Cut(first, "SITE\n")
	table, _, _ = strings.Cut(table, "\n\n")
	i.checkAccused(t, strings.Split(table, "\n"), `^`+i.kind+` .* `+place+`$`, text)
	if i.kind == "close-wait" && !regexp.MustCompile(`close-wait=1024: \d+ of 1,024 \(\d+%\), full in `).MatchString(first) {
		t.Errorf("the first ten lines do not say when the pool is full:\n%s", first)
	}
}

func (i incident) checkTop(t *testing.T, top, place string) {
	t.Helper()
	accused := regexp.MustCompile(`(?m)^LEAK: .*$`).FindAllString(top, -1)
	i.checkAccused(t, accused, `^LEAK: `+i.kind+`  `+place+` `, top)
	// The function that holds most comes first, and holds it itself.
	_, table, _ := strings.Cut(top, "cum%\n")
	table = regexp.MustCompile(`(?m)^.* \(before tracing.*\n`).ReplaceAllString(table, "")
	if worst, _, _ := strings.Cut(table, "\n"); !strings.HasSuffix(worst, i.culprit) {
		t.Errorf("in pprof -top %s is not the first:\n%s", i.culprit, top)
	}
}

// checkAccused checks that the first of the lines accuses the culprit, and no line
// anybody else. What was there before tracing, or was connected before and used
// since, is listed apart.
func (i incident) checkAccused(t *testing.T, lines []string, culprit, all string) {
	t.Helper()
	if len(lines) == 0 || !regexp.MustCompile(culprit).MatchString(lines[0]) {
		t.Errorf("%s is not accused first:\n%s", culprit, all)
		return
	}
	for _, line := range lines[1:] {
		if !strings.Contains(line, " (before tracing") && !strings.Contains(line, i.culprit) {
			t.Errorf("accused as well: %s\nin\n%s", line, all)
		}
	}
}
