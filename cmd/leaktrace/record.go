package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
)

// recording is the format of recordings.
const recording = "ltz"

func recordCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "record",
		Usage:     "trace as run does, and keep all that was found in a file for leaktrace report",
		ArgsUsage: "(--pid N | -- COMMAND [ARG…])",
		Description: "The recording has all symbols in it: it can be rendered in any format, on any machine,\n" +
			"at any time later. leaktrace diff compares two.\n\n" +
			"Exit status: that of run.",
		OnUsageError: onUsageError,
		Flags: append(traceFlags(),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "leaktrace." + recording, Usage: "write the recording to `FILE`"},
		),
		Action: func(c *cli.Context) error {
			options, err := parseRun(c, recording, e)
			if err != nil {
				return withCandidates(e, err)
			}
			return trace(e, options)
		},
	}
}

// recorded says what is in a recording, and what to do with it.
func (s *session) recorded(report *export.Report) {
	fmt.Fprintf(s.env.stderr, "%s; recorded in %s: leaktrace report %[2]s\n", report.Headline()[0], export.Escape(s.options.output))
}
