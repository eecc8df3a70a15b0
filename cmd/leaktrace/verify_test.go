package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// largeTarget takes so long to verify.
type largeTarget struct {
	fakeTarget
	takes     time.Duration
	exited    chan struct{}
	began     []time.Duration // verifications, since the first snapshot
	cancelled int             // how many of them
	started   time.Time
}

func (t *largeTarget) Exited() <-chan struct{} { return t.exited }
func (t *largeTarget) VerifyGoroutines(ctx context.Context) {
	t.began = append(t.began, time.Since(t.started))
	select {
	case <-time.After(t.takes):
	case <-ctx.Done():
		t.cancelled++
	}
}

// TestVerification has a session verify a target while time goes on, and something happens
// at a time.
func TestVerification(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	interrupt := func(_ *largeTarget, signals chan<- os.Signal) { signals <- syscall.SIGINT }
	exit := func(target *largeTarget, _ chan<- os.Signal) { close(target.exited) }
	for _, test := range []struct {
		name      string
		takes     time.Duration
		duration  time.Duration
		at        []time.Duration
		then      func(*largeTarget, chan<- os.Signal)
		began     []time.Duration
		cancelled int
		ends      time.Duration
	}{
		{"it takes no time", 0, 5 * s, nil, nil, []time.Duration{2 * s, 4 * s, 5 * s}, 0, 5 * s},
		{"it takes a second", s, 4 * s, nil, nil, []time.Duration{2 * s, 4 * s}, 0, 5 * s},
		{"the last one takes too long", 10 * s, 5 * s, nil, nil, []time.Duration{2 * s}, 1, 7 * s},
		{"a signal", 10 * s, 0, []time.Duration{3 * s}, interrupt, []time.Duration{2 * s}, 1, 5 * s},
		{"two signals", 10 * s, 0, []time.Duration{3 * s, 3500 * ms}, interrupt, []time.Duration{2 * s}, 1, 3500 * ms},
		{"the target ends", 10 * s, 0, []time.Duration{3 * s}, exit, []time.Duration{2 * s}, 1, 3 * s},
		{"the target ends after the duration", 10 * s, 3 * s, []time.Duration{4 * s}, exit, []time.Duration{2 * s}, 1, 4 * s},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				target := &largeTarget{takes: test.takes, exited: make(chan struct{}), started: time.Now()}
				session := &session{tracer: target, options: runOptions{duration: test.duration, minAge: s, verify: true}, view: blocks{io.Discard}}
				if err := session.begin(); err != nil {
					t.Fatal(err)
				}
				signals := make(chan os.Signal)
				for _, at := range test.at {
					time.AfterFunc(at, func() { test.then(target, signals) })
				}
				if err := session.run(signals); err != nil {
					t.Fatal(err)
				}
				if ends := time.Since(target.started).Round(10 * ms); ends != test.ends {
					t.Errorf("ends after %s, want %s", ends, test.ends)
				}
				if !slices.Equal(target.began, test.began) || target.cancelled != test.cancelled {
					t.Errorf("began after %s, of which %d were cancelled; want %s, %d", target.began, target.cancelled, test.began, test.cancelled)
				}
			})
		})
	}
}

// TestSignalWhileVerifying has a command get what was sent to it at once, and snapshots
// taken meanwhile.
func TestSignalWhileVerifying(t *testing.T) {
	target := &largeTarget{takes: time.Hour, exited: make(chan struct{})}
	s := &session{tracer: target, options: runOptions{minAge: time.Second, verify: true}, view: blocks{io.Discard}}
	s.command = &command{cmd: exec.Command("sleep", "60"), ended: make(chan struct{})}
	if err := s.command.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.command.cmd.Wait()
		close(target.exited)
	}()
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	s.verify()
	signals := make(chan os.Signal, 1)
	signals <- syscall.SIGTERM
	if err := s.run(signals); err != nil {
		t.Fatal(err)
	}
	if got := statusOf(s.command.cmd.ProcessState); got != 128+int(syscall.SIGTERM) {
		t.Errorf("the command ended with status %d", got)
	}
	if len(target.began) != 1 || target.cancelled != 1 {
		t.Errorf("%d verifications, of which %d were cancelled", len(target.began), target.cancelled)
	}
}
