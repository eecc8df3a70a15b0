package main

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// fakeTarget traces a process that does nothing, and goes on.
type fakeTarget struct{ fakeTracer }

func (*fakeTarget) Trace(int) error         { return nil }
func (*fakeTarget) Start(*exec.Cmd) error   { return errors.New("starts nothing") }
func (*fakeTarget) Target() tracer.Process  { return tracer.Process{PID: 7, Comm: "orders"} }
func (*fakeTarget) VerifyGoroutines()       {}
func (*fakeTarget) Exited() <-chan struct{} { return nil }

// crashed is a view that has ended by an error.
type crashed struct{}

func (crashed) show(*export.Report, int) {}
func (crashed) ended() <-chan struct{} {
	over := make(chan struct{})
	close(over)
	return over
}
func (crashed) close() error { return errors.New("the live view crashed") }

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
