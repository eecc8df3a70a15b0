package workload

import (
	"errors"
	"log/slog"
	"sync"
)

// source is the state of one that names containers.
type source struct {
	name string
	log  *slog.Logger

	mu  sync.Mutex
	err error
}

var errSilent = errors.New("no answer yet")

func newSource(name string, log *slog.Logger) *source {
	return &source{name: name, log: log, err: errSilent}
}

// report takes the outcome of the last question, and logs what is new about it.
func (s *source) report(err error) {
	s.mu.Lock()
	before := s.err
	s.err = err
	s.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.log.Warn("names of containers are missing until the source answers again; it is asked again and again",
			"source", s.name, "error", err)
	case err == nil && before != nil:
		s.log.Info("source of container names answers", "source", s.name)
	}
}

func (s *source) state() SourceState {
	s.mu.Lock()
	defer s.mu.Unlock()
	state := SourceState{Name: s.name, Up: s.err == nil}
	if s.err != nil {
		state.Err = s.err.Error()
	}
	return state
}
