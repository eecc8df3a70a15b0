package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// reportOptions is what the flags of report say.
type reportOptions struct {
	path     string
	kinds    []tracer.Kind
	format   string
	output   string
	junit    string // "": none
	suppress string // "": none
	source   export.SourceURL
}

func reportCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "render a recording in any format",
		ArgsUsage: "FILE",
		Description: "FILE is what leaktrace record wrote, or run --format json. Of a recording that is damaged\n" +
			"or cut off, what can be read is rendered.\n\n" +
			"Exit status: 0 whatever the recording shows, 1 on failure, 2 on wrong usage.",
		OnUsageError: onUsageError,
		Flags:        append(renderFlags(), siteFlags()...),
		Action: func(c *cli.Context) error {
			options, err := parseReport(c, e)
			if err != nil {
				return err
			}
			return report(e, options)
		},
	}
}

// parseReport checks the flags. Everything wrong with them is a usage error.
func parseReport(c *cli.Context, e env) (o reportOptions, err error) {
	o = reportOptions{
		path:     c.Args().First(),
		format:   c.String("format"),
		junit:    c.String("junit"),
		suppress: c.String("suppress"),
	}
	switch {
	case c.NArg() == 0:
		return o, usageError("nothing to render: give the FILE that leaktrace record wrote")
	case c.NArg() > 1:
		return o, usageError("report renders one file, after its flags: leaktrace report [--format FORMAT] FILE")
	case !slices.Contains(export.Formats(), o.format):
		return o, notOneOf("format", o.format, "formats", export.Formats())
	}
	if o.output, err = parseOutput(c, o.format, e); err != nil {
		return o, err
	}
	if o.source, err = parseSourceURL(c, o.format == "html"); err != nil {
		return o, err
	}
	o.kinds, err = parseKinds(c)
	return o, err
}

// report renders what was recorded.
func report(e env, o reportOptions) (err error) {
	r, err := readReport(e, o.path)
	if err != nil {
		return err
	}
	suppressions, err := readSuppressions(o.suppress, o.kinds)
	if err != nil {
		return err
	}
	if err := r.Keep(o.kinds); err != nil {
		return fmt.Errorf("read report %s: %w", o.path, err)
	}
	r.Suppress(suppressions)
	to, err := openOutputs(e, o.output, o.junit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.close()) }()
	if err := apart(o.output, o.junit, o.path); err != nil {
		return err
	}
	width := 0
	if o.output == "" {
		width = terminalWidth(e.stdout)
	}
	if err := errors.Join(writeReport(r, to.report, o.format, export.TextOptions{Width: width}, export.HTMLOptions{Source: o.source}), r.WriteJUnit(to.junit)); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// writeReport writes a report in a format, of which only text and html have options.
func writeReport(r *export.Report, w io.Writer, format string, text export.TextOptions, html export.HTMLOptions) error {
	switch format {
	case "text":
		return r.WriteText(w, text)
	case "html":
		return r.WriteHTML(w, html)
	}
	return r.Write(w, format)
}
