package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
)

func diffCommand(e env) *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare two reports: which sites are new, worse, better, gone",
		ArgsUsage: "OLD NEW",
		Description: "The reports are recordings, or what run --format json writes. Sites are matched by kind and\n" +
			"fingerprint, which a rebuild does not change; what grows is compared by its rate, so\n" +
			"that runs of different lengths compare.\n\n" +
			"Exit status: 0 whatever the difference, 1 on failure, 2 on wrong usage.",
		OnUsageError: onUsageError,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "format", Value: "text", Usage: "write the difference as `FORMAT` (" + strings.Join(export.DiffFormats(), ", ") + ")"},
			sourceURLFlag(),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the difference to `FILE` instead of standard output"},
		},
		Action: func(c *cli.Context) error {
			format := c.String("format")
			switch {
			case c.NArg() != 2:
				return usageError("diff compares two reports: leaktrace diff [--format FORMAT] OLD NEW")
			case !slices.Contains(export.DiffFormats(), format):
				return notOneOf("format", format, "formats", export.DiffFormats())
			}
			output, err := parseOutput(c, format, e)
			if err != nil {
				return err
			}
			source, err := parseSourceURL(c, format == "html")
			if err != nil {
				return err
			}
			return diff(e, c.Args().Get(0), c.Args().Get(1), output, format, source)
		},
	}
}

func diff(e env, oldPath, newPath, outputPath, format string, source export.SourceURL) (err error) {
	before, err := readReport(e, oldPath)
	if err != nil {
		return err
	}
	after, err := readReport(e, newPath)
	if err != nil {
		return err
	}
	output, err := openOutput(outputPath, e.stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, output.Close()) }()
	if err := cmp.Or(apart(outputPath, oldPath), apart(outputPath, newPath)); err != nil {
		return err
	}
	d := export.NewDiff(before, after)
	if format == "html" {
		err = d.WriteHTML(output, export.HTMLOptions{Source: source})
	} else {
		err = d.Write(output, format)
	}
	if err != nil {
		return fmt.Errorf("write difference: %w", err)
	}
	return nil
}
