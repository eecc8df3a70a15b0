package live

import (
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/leaktrace/leaktrace/export"
)

// screen is a terminal that takes nothing until it is let.
type screen struct {
	wait chan struct{}
	mu   sync.Mutex
	got  strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	<-s.wait
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(p)
}

func start(t *testing.T) (*View, *screen) {
	input, keyboard := io.Pipe()
	t.Cleanup(func() { keyboard.Close() })
	s := &screen{wait: make(chan struct{})}
	return Start(Options{Input: input, Output: s, Environ: []string{"TERM=xterm"}}), s
}

// Whoever traces does not wait for a terminal that is stuck.
func TestShowDoesNotWait(t *testing.T) {
	v, s := start(t)
	for range 1000 {
		v.Show(State{Report: new(export.Report)})
	}
	close(s.wait)
	if err := v.Close(); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.got.String(); !strings.Contains(got, "\x1b[?1049h") || !strings.Contains(got, "\x1b[?1049l") {
		t.Errorf("the screen was not taken and given back: %q", got)
	}
}

// A view that crashes gives the screen back, ends, and says so.
func TestCrash(t *testing.T) {
	v, s := start(t)
	close(s.wait)
	v.Show(State{}) // there is no such state
	<-v.Ended()
	if err := v.Close(); err == nil || !strings.Contains(err.Error(), "--no-tui") {
		t.Errorf("error %v", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.got.String(); strings.LastIndex(got, "\x1b[?1049l") < strings.LastIndex(got, "\x1b[?1049h") {
		t.Errorf("the screen was not given back: %q", got)
	}
}
