package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// fakeTarget traces a process that does nothing, and goes on. asked is what was asked
// of it last.
type fakeTarget struct {
	fakeTracer
	asked  []string
	exited chan struct{}
}

func (*fakeTarget) Trace(int) error                  { return nil }
func (*fakeTarget) Start(*exec.Cmd) error            { return errors.New("starts nothing") }
func (*fakeTarget) Target() tracer.Process           { return tracer.Process{PID: 7, Comm: "orders"} }
func (*fakeTarget) VerifyGoroutines(context.Context) {}
func (t *fakeTarget) Exited() <-chan struct{}        { return t.exited }
func (t *fakeTarget) LookAtGoroutines()              { t.asked = append(t.asked, "look") }
func (t *fakeTarget) Snapshot() (*tracer.Snapshot, error) {
	t.asked = append(t.asked, "snapshot")
	return t.fakeTracer.Snapshot()
}

// crashed is a view that has ended by an error.
type crashed struct{}

func (crashed) show(*export.Report, int) {}
func (crashed) ended() <-chan struct{} {
	over := make(chan struct{})
	close(over)
	return over
}
func (crashed) close() error { return errors.New("the live view crashed") }

// TestLastLook has the last snapshot of a run, however that ends, and no other look at
// goroutines.
func TestLastLook(t *testing.T) {
	interrupt := make(chan os.Signal, 1)
	interrupt <- syscall.SIGINT
	closed := make(chan struct{})
	close(closed)
	for name, test := range map[string]struct {
		session
		signals chan os.Signal
		exited  chan struct{}
	}{
		"the duration is over": {session: session{options: runOptions{duration: time.Nanosecond}, view: blocks{io.Discard}}},
		"a signal":             {session: session{view: blocks{io.Discard}}, signals: interrupt},
		"the user quits":       {session: session{view: crashed{}}},
		"the target ends":      {session: session{view: blocks{io.Discard}}, exited: closed},
	} {
		t.Run(name, func(t *testing.T) {
			target := &fakeTarget{exited: test.exited}
			test.tracer = target
			if err := test.begin(); err != nil {
				t.Fatal(err)
			}
			_ = test.watch(test.signals)
			n := len(target.asked)
			if got := target.asked[max(0, n-2):]; !slices.Equal(got, []string{"look", "snapshot"}) || slices.Contains(target.asked[:n-2], "look") {
				t.Errorf("asked for %q", target.asked)
			}
		})
	}
}

// What was found is reported though nobody could look on.
func TestCrashOfTheView(t *testing.T) {
	s := &session{tracer: new(fakeTarget), options: runOptions{pid: 7, format: "text", minAge: time.Second}}
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	s.view = crashed{}
	var output bytes.Buffer
	if err := s.finish(outputs{nopCloser{&output}, nopCloser{io.Discard}}, nil); err == nil || err.Error() != "the live view crashed" {
		t.Errorf("error %v", err)
	}
	if !strings.HasPrefix(output.String(), "no leak found in orders (pid 7)") {
		t.Errorf("no report: %q", output.String())
	}
}
