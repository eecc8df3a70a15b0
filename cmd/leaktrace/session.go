package main

import (
	"context"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// The ledger is read once a second for the verdict, which needs a history. It
// is read more often at first: of a short run the last snapshot counts. One of
// a small process costs well under a millisecond.
const (
	firstSample = 50 * time.Millisecond
	sampleEvery = time.Second
)

// targetTracer is what a session needs of a tracer.
type targetTracer interface {
	Trace(pid int) error
	Start(cmd *exec.Cmd) error
	Target() tracer.Process
	Exited() <-chan struct{}
	Snapshot() (*tracer.Snapshot, error)
	LookAtGoroutines()
	VerifyGoroutines(ctx context.Context)
	Parked(threads []tracer.Object) ([]tracer.Parked, error)
	Costs() []tracer.Cost
	Close() error
}

// session is one run of a tracer.
type session struct {
	env     env
	options runOptions
	tracer  targetTracer
	command *command // nil with --pid
	started time.Time
	history *verdict.History
	last    *tracer.Snapshot
	seen    inspection
	view    view
	// verification is that of goroutines which goes on.
	verification verification
	// viewFailed is why the view ended, if that was neither the user nor the end.
	viewFailed error
	// suppressions are the leaks that the user accepts.
	suppressions []export.Suppression
}

// run traces from the beginning to the end.
func (s *session) run(signals <-chan os.Signal) error {
	defer s.stopVerifying()
	if err := s.watch(signals); err != nil {
		return err
	}
	if s.exited() {
		return nil // what was seen before is all there is
	}
	if s.options.verify {
		if err := s.verifyLast(signals); err != nil {
			return err
		}
	}
	return s.inspect()
}

// begin starts to trace.
func (s *session) begin() error {
	var err error
	if len(s.options.command) > 0 {
		s.command, err = startCommand(s.env, s.tracer, s.options.command)
	} else {
		err = s.tracer.Trace(s.options.pid)
	}
	if err != nil {
		return err
	}
	s.started = time.Now()
	s.history = verdict.New(s.started, s.options.minAge)
	return s.sample()
}

// openView opens the view that was asked for.
func (s *session) openView() (err error) {
	s.view = blocks{s.env.stderr}
	if s.options.fullScreen {
		s.view, err = openScreen(s.env, s.options.source)
	}
	return err
}

// watch samples and shows until the run ends. That the view fails costs no report.
func (s *session) watch(signals <-chan os.Signal) error {
	// Also when this panics.
	defer func() { s.viewFailed = s.view.close() }()
	next := firstSample
	sample := time.NewTimer(next)
	defer sample.Stop()
	inspect := time.NewTimer(inspectEvery)
	defer inspect.Stop()
	verify := s.verifyTimer()
	defer verify.Stop()
	show := tick(s.options.interval)
	end := tick(s.options.duration)
	if s.options.fullScreen {
		s.show()
	}
	for {
		select {
		case <-end:
			return s.end()
		case <-s.tracer.Exited():
			return s.settle(signals)
		case received := <-signals:
			if s.command == nil && ends(received) {
				return s.end()
			}
			s.command.pass(received)
		case <-sample.C:
			if err := s.sample(); err != nil {
				return err
			}
			next = min(2*next, s.sampleEvery())
			sample.Reset(next)
		case <-inspect.C:
			began := time.Now()
			if err := s.inspect(); err != nil {
				return err
			}
			inspect.Reset(max(inspectEvery, inspectShare*time.Since(began)))
		case <-verify.C:
			s.verify()
		case <-s.verification.done:
			pause, err := s.verified()
			if err != nil {
				return err
			}
			verify.Reset(pause)
		case <-show:
			s.show()
		case <-s.view.ended():
			return s.end()
		}
	}
}

func (s *session) show() { s.view.show(s.makeReport(), s.last.Tracked) }

// tick is a channel that fires every d, or never if d is 0.
func tick(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.Tick(d)
}

// sampleEvery is short enough that nothing gets old unseen.
func (s *session) sampleEvery() time.Duration {
	return min(sampleEvery, max(2*firstSample, s.options.minAge/4))
}

// sample takes a snapshot. In one taken after the target has ended it is
// missing, and so the history keeps what it held.
func (s *session) sample() error {
	snapshot, err := s.tracer.Snapshot()
	if err != nil {
		return err
	}
	s.last = snapshot
	s.history.Add(snapshot)
	return nil
}

// end takes the last snapshot of a target that runs on, or of what it has left behind.
func (s *session) end() error {
	s.tracer.LookAtGoroutines()
	return s.sample()
}

func (s *session) exited() bool {
	select {
	case <-s.tracer.Exited():
		return true
	default:
		return false
	}
}

// settle takes the last snapshots after the target has ended. What a command
// that must not leak has left behind gets the time to end: its descendants may
// be about to, and to give back what they hold.
func (s *session) settle(signals <-chan os.Signal) error {
	s.stopVerifying()
	if err := s.end(); err != nil || s.command == nil || !s.options.failOnLeak {
		return err
	}
	enough := time.After(s.options.minAge + sampleEvery)
	for s.history.Pending() {
		select {
		case <-enough:
			return nil
		case received := <-signals:
			if ends(received) {
				return nil
			}
		case <-time.After(s.sampleEvery()):
			if err := s.sample(); err != nil {
				return err
			}
		}
	}
	return nil
}

// caught is every signal a user sends to a command.
var caught = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
}

// ends tells the signals that end tracing from the others.
func ends(s os.Signal) bool {
	return s == syscall.SIGINT || s == syscall.SIGTERM || s == syscall.SIGHUP || s == syscall.SIGQUIT
}
