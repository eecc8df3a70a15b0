package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// parseOutput is what --output says. What nobody can read on a terminal needs it.
func parseOutput(c *cli.Context, format string, e env) (string, error) {
	path := c.String("output")
	switch {
	case path != "":
		return path, nil
	case c.IsSet("output"):
		return "", usageError("--output needs the name of a file")
	case slices.Contains([]string{"html", "pprof", recording}, format) && isTerminal(e.stdout):
		return "", usageError("--format %s is not for a terminal: give --output FILE", format)
	}
	return "", nil
}

// apart refuses to write two outputs into one file, or one over what was read, by
// whatever names. An empty name is none.
func apart(paths ...string) error {
	var files []os.FileInfo
	for _, path := range paths {
		info, err := os.Stat(path)
		if path == "" || err != nil || !info.Mode().IsRegular() {
			continue
		}
		if slices.ContainsFunc(files, func(f os.FileInfo) bool { return os.SameFile(f, info) }) {
			return usageError("%s is one file, and it cannot be written and be something else too", path)
		}
		files = append(files, info)
	}
	return nil
}

// openOutput opens a report's file before anything is traced, so that a wrong
// name costs no run. Without a name it is standard.
func openOutput(path string, standard io.Writer) (io.WriteCloser, error) {
	if path == "" {
		return nopCloser{standard}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	created := err == nil
	if errors.Is(err, fs.ErrExist) {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("write report: %w (its directory must be there)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return &output{file: f, created: created}, nil
}

// output is a report's file. As long as nothing is written it is as it was: a run that
// fails at once, for want of rights, destroys no report of an earlier one.
type output struct {
	file             *os.File // not embedded: its other ways to write would go past Write
	created, written bool
}

func (o *output) Write(p []byte) (int, error) {
	if !o.written {
		o.written = true
		// What is no regular file cannot be truncated, nor need it be.
		if info, err := o.file.Stat(); err == nil && info.Mode().IsRegular() {
			if err := o.file.Truncate(0); err != nil {
				return 0, err
			}
		}
	}
	return o.file.Write(p)
}

func (o *output) Close() error {
	err := o.file.Close()
	if o.created && !o.written {
		err = errors.Join(err, os.Remove(o.file.Name()))
	}
	return err
}

// outputs is where a run reports.
type outputs struct{ report, junit io.WriteCloser }

// openOutputs opens both. Without a name the report goes to standard output, and no
// JUnit is written.
func openOutputs(e env, report, junit string) (o outputs, err error) {
	if o.report, err = openOutput(report, e.stdout); err != nil {
		return o, err
	}
	if o.junit, err = openOutput(junit, io.Discard); err != nil {
		return o, errors.Join(err, o.report.Close())
	}
	return o, nil
}

func (o outputs) close() error { return errors.Join(o.report.Close(), o.junit.Close()) }

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// readSuppressions reads a suppression file, unless the name is empty. It
// leaves out what is only for kinds that are not traced, lest it seem unused.
func readSuppressions(path string, kinds []tracer.Kind) ([]export.Suppression, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read suppressions: %w", err)
	}
	defer f.Close()
	list, err := export.ReadSuppressions(f, path)
	return slices.DeleteFunc(list, func(s export.Suppression) bool {
		return len(kinds) > 0 && s.Kind != "*" && !slices.Contains(kinds, tracer.Kind(s.Kind))
	}), err
}

// readReport reads what record wrote, or run --format json. That a part of it is
// missing it says itself.
func readReport(e env, path string) (*export.Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	defer f.Close()
	r, err := export.ReadReport(f)
	if err != nil {
		return nil, fmt.Errorf("read report %s: %w", path, err)
	}
	if damage := r.Damage(); damage != "" {
		fmt.Fprintf(e.stderr, "leaktrace: %s is %s\n", export.Escape(path), damage)
	}
	return r, nil
}
