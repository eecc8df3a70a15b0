package main

import (
	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
)

// sourceURLFlag is for commands that write pages.
func sourceURLFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "source-url",
		Usage: "link lines of --format html to `[PREFIX=]URL` with {file} and {line} in it, as in " +
			"/build/app=https://example.com/app/blob/v1/{file}#L{line}; only files below PREFIX, if given",
	}
}

// parseSourceURL reads the flag. Where no page is written it is wrong usage.
func parseSourceURL(c *cli.Context, pages bool) (export.SourceURL, error) {
	source, err := export.ParseSourceURL(c.String("source-url"))
	switch {
	case err != nil:
		return source, usageError("--source-url %v", err)
	case c.IsSet("source-url") && !pages:
		return source, usageError("--source-url is for --format html")
	}
	return source, nil
}
