package tests

import (
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// Where the kernel preempts hooks they are loaded twice. Of two that both run one
// does the work, and where the first is always skipped the second does all of it.
// TestCrowd is what needs them, on such a kernel.
func TestTwins(t *testing.T) {
	t.Parallel()
	for name, constants := range map[string]map[string]any{
		"both run":      nil,
		"first skipped": {"first_skipped": true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := tracer.Options{Tuning: tracer.Tuning{Twins: true, Constants: constants}}
			s := run(t, options, "churn", "1000", "500", "1000", "10")
			s.do("go")
			shot := s.snapshot()
			s.check(shot, churned(1000, 500, 1000, 10))
			s.complete(shot)
		})
	}
}
