package workload

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Only what is new is logged.
func TestReport(t *testing.T) {
	said := new(lines)
	s := newSource("cri", slog.New(slog.NewTextHandler(said, nil)))
	down := errors.New("connection refused")
	for _, err := range []error{down, down, errors.New("permission denied"), nil, nil, down} {
		s.report(err)
	}
	var levels []string
	for line := range strings.Lines(said.String()) {
		_, after, _ := strings.Cut(line, "level=")
		level, _, _ := strings.Cut(after, " ")
		levels = append(levels, level)
	}
	if diff := cmp.Diff([]string{"WARN", "WARN", "INFO", "WARN"}, levels); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, said)
	}
}
