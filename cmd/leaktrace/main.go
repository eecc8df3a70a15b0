// Command leaktrace tells which line of code created the child processes,
// threads, TCP sockets and goroutines that a process never gives back.
package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
)

// Exit statuses. run returns the traced command's own status where it has one.
const (
	exitFailure = 1
	exitUsage   = 2
	exitLeak    = 3
)

// env is the outside world of a command, so that tests can be one.
type env struct {
	stdin          *os.File
	stdout, stderr io.Writer
}

func main() {
	// Unless it is caught, writing to a closed pipe ends the process without a
	// word. A command that leaktrace starts gets the default back.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// What a snapshot leaves behind is collected once it is half of what is kept,
	// not all of it: that costs little, since there is one snapshot a second.
	debug.SetGCPercent(50)
	os.Exit(start(os.Args, env{os.Stdin, os.Stdout, os.Stderr}))
}

// statusError ends leaktrace with a status and, unless it is empty, a message.
type statusError struct {
	status  int
	message string
}

func (e statusError) Error() string { return e.message }

// commands are all there are, in the order of help.
func commands(e env) []*cli.Command {
	return []*cli.Command{
		runCommand(e), recordCommand(e), reportCommand(e), diffCommand(e), exportCommand(e),
		doctorCommand(e), completionCommand(e), manCommand(e),
	}
}

// firstError keeps the first error of writing help, which the library drops.
type firstError struct {
	io.Writer
	err error
}

func (w *firstError) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("write help: %w", err)
	}
	return n, err
}

// start runs the command line and returns the exit status.
func start(args []string, e env) int {
	help := &firstError{Writer: e.stdout}
	app := &cli.App{
		Name:            "leaktrace",
		Usage:           usage,
		Version:         version(),
		HideHelpCommand: true,
		Writer:          help,
		ErrWriter:       e.stderr,
		Commands:        commands(e),
		OnUsageError:    onUsageError,
		ExitErrHandler:  func(*cli.Context, error) {}, // decided below
		// The library takes what follows --help for what help is wanted of.
		CommandNotFound: func(c *cli.Context, _ string) { _ = showHelp(c, c.Command.Name) },
		Action: func(c *cli.Context) error {
			if c.Args().First() == "help" {
				return showHelp(c, c.Args().Get(1))
			}
			if c.Args().Present() {
				return unknownCommand(c.Args().First(), c.App.Commands)
			}
			return showFirstSteps(e.stdout, sudo())
		},
	}
	setHelp(app, terminalWidth(e.stdout))
	err := cmp.Or(app.Run(args), help.err)
	if err == nil {
		return 0
	}
	status := exitFailure
	var ended statusError
	if errors.As(err, &ended) {
		status = ended.status
	}
	if message := err.Error(); message != "" {
		// One line, whatever a library or a traced process put into it.
		fmt.Fprintln(e.stderr, "leaktrace:", export.Escape(strings.ReplaceAll(message, "\n", "; ")))
	}
	return status
}
