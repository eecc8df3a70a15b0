package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"github.com/xrash/smetrics"
)

func usageError(format string, args ...any) error {
	return statusError{exitUsage, fmt.Sprintf(format, args...)}
}

// What the flag package says of flags that it does not take.
var (
	unknownFlag  = regexp.MustCompile(`^flag provided but not defined: -(.+)$`)
	invalidValue = regexp.MustCompile(`^invalid value (".*") for flag -([^ ]+): `)
	missingValue = regexp.MustCompile(`^flag needs an argument: -(.+)$`)
)

// onUsageError says what to type instead.
func onUsageError(c *cli.Context, err error, _ bool) error {
	help := "try " + c.Command.HelpName + " --help"
	if m := unknownFlag.FindStringSubmatch(err.Error()); m != nil {
		if c.Command.HelpName == c.App.Name && slices.Contains(flagNames(traceFlags()), m[1]) {
			return usageError("%s is a flag of run: leaktrace run %[1]s", dashed(m[1]))
		}
		return usageError("no flag %s%s; %s", dashed(m[1]), meant(m[1], "--", flagNames(c.Command.Flags)), help)
	}
	if m := missingValue.FindStringSubmatch(err.Error()); m != nil {
		return usageError("%s needs a value; %s", dashed(m[1]), help)
	}
	if m := invalidValue.FindStringSubmatch(err.Error()); m != nil {
		return usageError("%s %s: %s; %s", dashed(m[2]), m[1], expected(c.Command.Flags, m[2]), help)
	}
	return usageError("%v; %s", err, help)
}

// showHelp is for who types help before a command, or alone.
func showHelp(c *cli.Context, command string) error {
	switch {
	case command == "", command == c.App.Name:
		return cli.ShowAppHelp(c)
	case c.App.Command(command) == nil:
		return unknownCommand(command, c.App.Commands)
	}
	return cli.ShowCommandHelp(c, command)
}

// unknownCommand is for a first argument that is no command.
func unknownCommand(name string, commands []*cli.Command) error {
	if _, err := strconv.Atoi(name); err == nil {
		return usageError("no command %q; to trace that process: leaktrace run --pid %[1]s", name)
	}
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	return usageError("no command %q%s; try leaktrace --help", name, meant(name, "", names))
}

// notOneOf is for a value of a flag that takes few.
func notOneOf(flag, value, what string, values []string) error {
	return usageError("--%s %q: the %s are %s%s", flag, value, what, strings.Join(values, ", "), meant(value, "", values))
}

// dashed is a flag as one types it.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func flagNames(flags []cli.Flag) (names []string) {
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	return names
}

// expected says what a flag takes, of those that take no text.
func expected(flags []cli.Flag, name string) string {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n != name {
				continue
			}
			switch f.(type) {
			case *cli.DurationFlag:
				return "expected a time with its unit, such as 30s or 5m"
			case *cli.IntSliceFlag:
				return "expected the number of a process; pgrep finds it by name"
			}
		}
	}
	return "not as expected"
}

// meant asks whether the nearest of some names was meant, if any is near.
func meant(name, prefix string, names []string) string {
	best, nearest := 0.8, ""
	for _, n := range names {
		if likeness := smetrics.JaroWinkler(name, n, 0.7, 4); likeness > best && len(n) > 1 {
			best, nearest = likeness, n
		}
	}
	if nearest == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s%s?)", prefix, nearest)
}
