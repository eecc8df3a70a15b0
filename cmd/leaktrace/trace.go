package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// trace does the work of run.
func trace(e env, o runOptions) (err error) {
	if o.fullScreen && !isGuarded() {
		return guardTerminal(e)
	}
	suppressions, err := readSuppressions(o.suppress, o.kinds)
	if err != nil {
		return err
	}
	to, err := openOutputs(e, o.output, o.junit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	if err := apart(o.output, o.junit); err != nil {
		return err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, caught...)
	defer signal.Stop(signals)

	t, err := tracer.New(tracer.Options{Follow: o.follow, Kinds: o.kinds, VerifyGoroutines: o.verify})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	s := &session{env: e, options: o, tracer: t, suppressions: suppressions}
	err = s.begin()
	if err == nil {
		err = s.openView()
	}
	if err != nil {
		return s.abandon(err, signals)
	}
	return s.finish(to, signals)
}

// finish traces what has begun, and reports.
func (s *session) finish(to outputs, signals <-chan os.Signal) error {
	if err := s.run(signals); err != nil {
		return s.abandon(err, signals)
	}
	leaks, err := s.report(to)
	// A command may go on for long after --duration: without us.
	if err := errors.Join(err, s.viewFailed, s.tracer.Close()); err != nil {
		return s.abandon(err, signals)
	}
	return s.status(leaks, signals)
}

func (s *session) makeReport() *export.Report {
	if s.last == nil {
		s.last = &tracer.Snapshot{Time: time.Now()}
	}
	report := export.NewReport(export.Setting{
		Target: s.tracer.Target(), Started: s.started, Overhead: s.overhead(), Kinds: s.options.kinds,
		Parked: s.seen.parked, Limits: s.seen.limits, OwnLimits: s.options.limits,
	}, s.history, s.last)
	report.Suppress(s.suppressions)
	return report
}

// report writes the final report, in both forms even if one fails, and says
// whether anything leaks.
func (s *session) report(to outputs) (leaks bool, err error) {
	report := s.makeReport()
	err = errors.Join(s.write(report, to.report), report.WriteJUnit(to.junit))
	if err != nil {
		return false, fmt.Errorf("write report: %w", err)
	}
	if s.options.format == recording && s.options.output != "" {
		s.recorded(report)
	}
	return report.Leaking() > 0, nil
}

// write writes the report in the format that was asked for: as wide as the
// terminal it goes to, and briefly where it goes to the log of a test.
func (s *session) write(report *export.Report, output io.Writer) error {
	var o export.TextOptions
	if s.options.output == "" {
		o.Width = terminalWidth(s.env.stdout)
	}
	if s.command != nil && s.options.failOnLeak {
		o.Brief, o.Samples = true, 1
	}
	return writeReport(report, output, s.options.format, o, export.HTMLOptions{Source: s.options.source})
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

// overhead is what tracing has cost so far.
func (s *session) overhead() export.Overhead { return overheadOf(s.tracer.Costs()) }

// overheadOf is what leaktrace itself used so far, and its programs.
func overheadOf(costs []tracer.Cost) export.Overhead {
	var usage unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &usage) // cannot fail for RUSAGE_SELF
	o := export.Overhead{CPUSeconds: ownCPU().Seconds(), RSSBytes: uint64(usage.Maxrss) * 1024}
	for _, cost := range costs {
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
