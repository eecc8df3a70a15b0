package main

import (
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// runOptions is what the flags of run say.
type runOptions struct {
	pid        int
	command    []string
	follow     bool
	duration   time.Duration // 0: until the target exits or Ctrl-C
	interval   time.Duration // 0: no view
	fullScreen bool          // the view has the terminal
	minAge     time.Duration
	kinds      []tracer.Kind
	format     string
	output     string
	junit      string // "": none
	suppress   string // "": none
	limits     limit.Own
	failOnLeak bool
	verify     bool // goroutines
	source     export.SourceURL
}

func runCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "trace a process, or a command from its start, and report what it leaks",
		ArgsUsage: "(--pid N | -- COMMAND [ARG…])",
		Description: "The report comes at the end of the duration, at Ctrl-C, or when the target exits.\n" +
			"Until then, with --pid on a terminal, a full-screen table shows what there is, and a key opens\n" +
			"each site (? lists the keys, q quits). A COMMAND has the terminal for itself.\n" +
			"With a COMMAND leaktrace passes signals on and returns the command's own status.\n\n" +
			"With neither nothing is traced: the processes that are worth a look are listed on standard\n" +
			"error (zombies, CLOSE_WAIT, very many threads, limits nearly used up).\n\n" +
			"Exit status: 0, 1 on failure, 2 on wrong usage or without a target, 3 with --fail-on-leak when something leaks.",
		OnUsageError: onUsageError,
		Flags:        append(traceFlags(), renderFlags()...),
		Action: func(c *cli.Context) error {
			options, err := parseRun(c, c.String("format"), e)
			if err != nil {
				return withCandidates(e, err)
			}
			return trace(e, options)
		},
	}
}

// traceFlags are the flags of all commands that trace.
func traceFlags() []cli.Flag {
	return append([]cli.Flag{
		&cli.IntSliceFlag{Name: "pid", Aliases: []string{"p"}, Usage: "trace the running process `N`", DefaultText: "none"},
		&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "trace its descendants too (the default with a COMMAND)", DisableDefaultText: true},
		&cli.DurationFlag{Name: "duration", Aliases: []string{"d"}, Usage: "stop tracing after `TIME` (30s, 5m)", DefaultText: "when the target exits"},
		&cli.DurationFlag{Name: "interval", Aliases: []string{"i"}, Usage: "show a table every `TIME`", DefaultText: "on a terminal with --pid 1s, with --no-tui 2s, else never"},
		&cli.BoolFlag{Name: "no-tui", Usage: "print that table as plain lines, also on a terminal", DisableDefaultText: true},
		&cli.DurationFlag{Name: "min-age", Value: 10 * time.Second, Usage: "do not accuse what is outstanding for less than `TIME`"},
		&cli.StringSliceFlag{Name: "limit", Usage: "say how near `KIND=N` is, a limit that only you know of (close-wait=1024); may be repeated"},
		&cli.BoolFlag{Name: "fail-on-leak", Usage: "exit with status 3 when something leaks that --suppress does not list; with a COMMAND the report is short", DisableDefaultText: true},
		&cli.BoolFlag{Name: "verify-goroutines", Usage: "accuse each goroutine that nothing in its program can wake; costs leaktrace about 2 us of CPU per heap object, and a copy of the heap, each time", DisableDefaultText: true},
	}, siteFlags()...)
}

// siteFlags say which sites are reported, and as what.
func siteFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "kind", Aliases: []string{"k"}, Usage: "report only `KIND` (" + tracer.KindNames() + "); may be repeated"},
		&cli.StringFlag{Name: "suppress", Usage: "accept the leaks listed in `FILE`, one a line: KIND FUNCTION # REASON"},
		&cli.StringFlag{Name: "junit", Usage: "also write the report to `FILE` as JUnit XML, one test for each site"},
	}
}

// renderFlags are those of all commands that write a report.
func renderFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "format", Value: "text", Usage: "write the report as `FORMAT` (" + strings.Join(export.Formats(), ", ") + ")"},
		sourceURLFlag(),
		&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the report to `FILE` instead of standard output"},
	}
}

// parseRun checks the flags. Everything wrong with them is a usage error.
func parseRun(c *cli.Context, format string, e env) (runOptions, error) {
	pids := c.IntSlice("pid") // of an IntFlag given twice only the last would be seen
	o := runOptions{
		command:    c.Args().Slice(),
		follow:     c.Bool("follow"),
		duration:   c.Duration("duration"),
		interval:   c.Duration("interval"),
		minAge:     c.Duration("min-age"),
		format:     format,
		junit:      c.String("junit"),
		suppress:   c.String("suppress"),
		failOnLeak: c.Bool("fail-on-leak"),
		verify:     c.Bool("verify-goroutines"),
	}
	if len(pids) > 0 {
		o.pid = pids[0]
	}
	switch {
	case c.IsSet("pid") && len(o.command) > 0:
		return o, usageError("--pid and a command exclude each other (flags go before the command, after it a -- is needed)")
	case !c.IsSet("pid") && len(o.command) == 0:
		return o, errNoTarget
	case len(pids) > 1:
		return o, usageError("--pid %d: %d was given before; leaktrace traces one process, and with --follow its descendants", pids[1], pids[0])
	case c.IsSet("pid") && o.pid <= 0:
		return o, usageError("--pid %d: a pid is a positive number", o.pid)
	case o.duration < 0 || o.interval < 0 || o.minAge < 0:
		return o, usageError("--duration, --interval and --min-age cannot be negative")
	case !slices.Contains(export.Formats(), o.format):
		return o, notOneOf("format", o.format, "formats", export.Formats())
	}
	var err error
	if o.output, err = parseOutput(c, o.format, e); err != nil {
		return o, err
	}
	if o.kinds, err = parseKinds(c); err != nil {
		return o, err
	}
	if o.verify && len(o.kinds) > 0 && !slices.Contains(o.kinds, tracer.Goroutine) {
		return o, usageError("--verify-goroutines needs goroutines: add --kind goroutine, or leave --kind out")
	}
	if o.limits, err = limit.ParseOwn(c.StringSlice("limit")); err != nil {
		return o, usageError("%v", err)
	}
	if len(o.command) > 0 && !c.IsSet("follow") {
		o.follow = true
	}
	o.chooseView(c, e)
	o.source, err = parseSourceURL(c, o.format == "html" || o.fullScreen)
	return o, err
}

// chooseView says how a run is shown while it goes on: on a whole terminal, in
// lines, or not at all. A command has the terminal for itself.
func (o *runOptions) chooseView(c *cli.Context, e env) {
	if len(o.command) > 0 {
		return
	}
	o.fullScreen = !c.Bool("no-tui") && ownsTerminal(e)
	switch {
	case c.IsSet("interval"):
		o.fullScreen = o.fullScreen && o.interval > 0
	case o.fullScreen:
		o.interval = sampleEvery
	case isTerminal(e.stderr):
		o.interval = 2 * time.Second
	}
}

// parseKinds is what --kind says; none if it was not given.
func parseKinds(c *cli.Context) (kinds []tracer.Kind, err error) {
	for _, name := range c.StringSlice("kind") {
		if !slices.Contains(tracer.Kinds(), tracer.Kind(name)) {
			return nil, notOneOf("kind", name, "kinds", strings.Split(tracer.KindNames(), ", "))
		}
		kinds = append(kinds, tracer.Kind(name))
	}
	return kinds, nil
}
