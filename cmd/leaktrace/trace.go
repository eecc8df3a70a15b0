package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

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

// session is one run of a tracer.
type session struct {
	env     env
	options runOptions
	tracer  *tracer.Tracer
	command *command // nil with --pid
	started time.Time
	history *verdict.History
	last    *tracer.Snapshot // the last one taken while the target lived
	view    *view
	// suppressions are the leaks that the user accepts.
	suppressions []export.Suppression
}

// trace does the work of run.
func trace(e env, o runOptions) (err error) {
	suppressions, err := readSuppressions(o.suppress)
	if err != nil {
		return err
	}
	output, err := openOutput(o.output, e.stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, output.Close()) }()
	junit, err := openOutput(o.junit, io.Discard)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, junit.Close()) }()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, caught...)
	defer signal.Stop(signals)

	t, err := tracer.New(tracer.Options{Follow: o.follow, Kinds: o.kinds})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	s := &session{
		env: e, options: o, tracer: t, view: newView(e.stderr, len(o.command) == 0), suppressions: suppressions,
	}
	if err := s.run(signals); err != nil {
		return s.abandon(err, signals)
	}
	leaks, err := s.report(output, junit)
	// A command may go on for long after --duration: without us.
	if err := errors.Join(err, t.Close()); err != nil {
		return s.abandon(err, signals)
	}
	return s.status(leaks, signals)
}

// run traces from the beginning to the end.
func (s *session) run(signals <-chan os.Signal) error {
	if err := s.begin(); err != nil {
		return err
	}
	return s.watch(signals)
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

// watch samples until the run ends.
func (s *session) watch(signals <-chan os.Signal) error {
	next := firstSample
	sample := time.NewTimer(next)
	defer sample.Stop()
	show := tick(s.options.interval)
	end := tick(s.options.duration)
	defer s.view.clear()
	for {
		select {
		case <-end:
			return s.sample()
		case <-s.tracer.Exited():
			if s.last == nil {
				return s.sample()
			}
			return nil
		case received := <-signals:
			if s.command == nil && ends(received) {
				return s.sample()
			}
			s.command.pass(received)
		case <-sample.C:
			if err := s.sample(); err != nil {
				return err
			}
			s.view.progress(time.Since(s.started), s.last.Tracked, ownCPU())
			next = min(2*next, sampleEvery)
			sample.Reset(next)
		case <-show:
			s.view.block(s.makeReport())
		}
	}
}

// tick is a channel that fires every d, or never if d is 0.
func tick(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.Tick(d)
}

// sample takes a snapshot. One taken while the target was ending does not
// count: its threads and sockets have gone with it.
func (s *session) sample() error {
	snapshot, err := s.tracer.Snapshot()
	if err != nil {
		return err
	}
	select {
	case <-s.tracer.Exited():
		if s.last != nil {
			return nil
		}
	default:
	}
	s.last = snapshot
	s.history.Add(snapshot)
	return nil
}

func (s *session) makeReport() *export.Report {
	if s.last == nil {
		s.last = &tracer.Snapshot{Time: time.Now()}
	}
	report := export.NewReport(s.tracer.Target(), s.started, s.history, s.last, s.overhead())
	report.Suppress(s.suppressions)
	return report
}

// report writes the final report, in both forms even if one fails, and says
// whether anything leaks.
func (s *session) report(output, junit io.Writer) (leaks bool, err error) {
	report := s.makeReport()
	err = errors.Join(report.Write(output, s.options.format), report.WriteJUnit(junit))
	if err != nil {
		return false, fmt.Errorf("write report: %w", err)
	}
	return report.Leaking() > 0, nil
}

// status turns the outcome into leaktrace's exit status. A command outlives
// the tracing when --duration is shorter.
func (s *session) status(leaks bool, signals <-chan os.Signal) error {
	if s.command != nil {
		if status := s.command.wait(signals); status != 0 {
			return statusError{status: status}
		}
	}
	if leaks && s.options.failOnLeak {
		return statusError{status: exitLeak}
	}
	return nil
}

// abandon lets a command whose tracing or report failed come to its end: a
// build must not suffer from a full disk.
func (s *session) abandon(err error, signals <-chan os.Signal) error {
	if s.command != nil {
		s.command.wait(signals)
	}
	return err
}

// overhead is what leaktrace itself used so far.
func (s *session) overhead() export.Overhead {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // cannot fail for RUSAGE_SELF
	o := export.Overhead{CPUSeconds: ownCPU().Seconds(), RSSBytes: uint64(usage.Maxrss) * 1024}
	for _, cost := range s.tracer.Costs() {
		o.Programs = append(o.Programs, export.ProgramCost{
			Name: cost.Program, Runs: cost.Runs, NsPerRun: float64(cost.Time) / float64(cost.Runs),
		})
	}
	return o
}

// ownCPU is the processor time leaktrace has used.
func ownCPU() time.Duration {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // cannot fail for RUSAGE_SELF
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
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
