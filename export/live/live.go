// Package live shows a run on a whole terminal while it goes on: a table of
// sites, and each site's page. It draws what it is given and never makes the one
// who gives it wait.
package live

import (
	"errors"
	"io"
	"sync"

	tea "charm.land/bubbletea/v2"

	"github.com/leaktrace/leaktrace/export"
)

// State is what is to be seen of a run at a time.
type State struct {
	// Report must not change any more.
	Report *export.Report
	// Tracked is how many objects are alive in scope.
	Tracked int
}

// Options are the view's ways to the world.
type Options struct {
	// Input and Output are the terminal.
	Input  io.Reader
	Output io.Writer
	// Environ says what the terminal can do: TERM, NO_COLOR and the like.
	Environ []string
	// Write writes a report somewhere, in any goroutine, and says where.
	Write func(*export.Report) (path string, err error)
	// JobControl says that there is a shell to go back to at Ctrl-Z.
	JobControl bool
}

// framesPerSecond is how often the terminal is drawn at most. Each is a wake-up,
// also where nothing has changed.
const framesPerSecond = 10

// View is a terminal that shows a run.
type View struct {
	program *tea.Program
	states  chan State // the newest that was not drawn yet
	ended   chan struct{}
	stop    sync.Once
	err     error // why the view ended; read it once ended is closed
}

// Start takes the terminal over. Close gives it back.
func Start(o Options) *View {
	v := &View{states: make(chan State, 1), ended: make(chan struct{})}
	v.program = tea.NewProgram(newModel(o, v.next),
		tea.WithInput(o.Input), tea.WithOutput(o.Output), tea.WithEnvironment(o.Environ),
		tea.WithFPS(framesPerSecond), tea.WithoutSignalHandler())
	go func() {
		defer close(v.ended)
		_, v.err = v.program.Run()
	}()
	return v
}

// Show replaces what is shown. It never waits: of states that come faster than a
// terminal takes them only the last is drawn.
func (v *View) Show(s State) {
	select {
	case <-v.states:
	default:
	}
	// Nobody else sends, so there is room now.
	v.states <- s
}

// next waits for the next state to draw.
func (v *View) next() tea.Msg {
	select {
	case s := <-v.states:
		return s
	case <-v.ended:
		return nil
	}
}

// Ended is closed once the terminal is given back: at Close, when the user quits,
// or after an error.
func (v *View) Ended() <-chan struct{} { return v.ended }

// Close gives the terminal back as it was found, and says why the view has ended
// if that was neither Close nor the user.
func (v *View) Close() error {
	v.stop.Do(v.program.Quit)
	<-v.ended
	if errors.Is(v.err, tea.ErrProgramPanic) {
		return errors.New("the live view crashed (a bug of leaktrace's); --no-tui does without")
	}
	return v.err
}
