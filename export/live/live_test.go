package live

import (
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

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

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.String()
}

func start(t *testing.T, environ ...string) (*View, *screen) {
	input, keyboard := io.Pipe()
	t.Cleanup(func() { _ = keyboard.Close() })
	s := &screen{wait: make(chan struct{})}
	return Start(Options{Input: input, Output: s, Environ: append(environ, "TERM=xterm")}), s
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
	if got := s.String(); !strings.Contains(got, "\x1b[?1049h") || !strings.Contains(got, "\x1b[?1049l") {
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
	if got := s.String(); strings.LastIndex(got, "\x1b[?1049l") < strings.LastIndex(got, "\x1b[?1049h") {
		t.Errorf("the screen was not given back: %q", got)
	}
}

// Who wants no colours gets none.
func TestNoColor(t *testing.T) {
	for environ, want := range map[string]bool{"NO_COLOR=": true, "NO_COLOR=1": false} {
		// The screen is no terminal, and is to be taken for one.
		v, s := start(t, "TTY_FORCE=1", environ)
		close(s.wait)
		v.Show(State{Report: read(t, "leaks")})
		for end := time.Now().Add(10 * time.Second); !strings.Contains(s.String(), "LEAK") && time.Now().Before(end); {
			// Bubble Tea also says, at any time, that what is no terminal has no size.
			v.program.Send(tea.WindowSizeMsg{Width: 100, Height: 20})
			time.Sleep(time.Millisecond)
		}
		if err := v.Close(); err != nil {
			t.Error(err)
		}
		if got := regexp.MustCompile(`\x1b\[([\d;]*;)?3[15][;m]`).MatchString(s.String()); got != want || !strings.Contains(s.String(), "LEAK") {
			t.Errorf("%s: colours %v, want %v: %q", environ, got, want, s)
		}
	}
}
