package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// openOutput opens a report's file before anything is traced, so that a wrong
// name costs no run. Without a name it is standard.
func openOutput(path string, standard io.Writer) (io.WriteCloser, error) {
	if path == "" {
		return nopCloser{standard}, nil
	}
	f, err := os.Create(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("write report: %w (its directory must be there)", err)
	}
	if err != nil {
		return nil, fmt.Errorf("write report: %w", err)
	}
	return f, nil
}

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
	if r.SitesMissing > 0 {
		fmt.Fprintf(e.stderr, "leaktrace: %s is damaged or cut off: %d of its %d sites are missing\n",
			export.Escape(path), r.SitesMissing, r.SitesMissing+len(r.Sites))
	}
	return r, nil
}
