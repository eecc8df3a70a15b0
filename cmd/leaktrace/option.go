package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/tracer"
)

// option is a flag as help, the manual page and completion need it.
type option struct {
	Long, Short string // Short is empty for most
	Arg         string // what its value is called, empty where it takes none
	Usage       string
	Values      []string // those that completion offers
}

// ownOptions are those of leaktrace itself, without a command. The library makes them.
func ownOptions() []option {
	return []option{
		{Long: "help", Short: "h", Usage: "show all there is"},
		{Long: "version", Short: "v", Usage: "show the version"},
	}
}

// optionsOf are the flags of a command, in the order of the source.
func optionsOf(c *cli.Command) []option {
	var all []option
	for _, f := range c.Flags {
		// The library adds its own to a command that runs.
		if !slices.Contains(f.Names(), "help") {
			all = append(all, newOption(f, c.Name))
		}
	}
	return append(all, option{Long: "help", Short: "h", Usage: "show this help"})
}

func newOption(f cli.Flag, command string) option {
	var o option
	for _, name := range f.Names() {
		if len(name) == 1 {
			o.Short = name
		} else {
			o.Long = name
		}
	}
	documented, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return o
	}
	o.Usage = strings.ReplaceAll(documented.GetUsage(), "`", "")
	if documented.TakesValue() {
		// The library's way to say what a value is called.
		if parts := strings.Split(documented.GetUsage(), "`"); len(parts) == 3 {
			o.Arg = parts[1]
		}
		o.Usage += byDefault(documented)
	}
	o.Values = valuesOf(o.Arg, command)
	return o
}

// byDefault says what a flag is if it is not given.
func byDefault(f cli.DocGenerationFlag) string {
	value := strings.Trim(f.GetDefaultText(), `"`)
	for _, name := range f.GetEnvVars() {
		value = "$" + name + ", else " + value
	}
	if value == "" || value == "none" {
		return ""
	}
	return " (default: " + value + ")"
}

// valuesOf are the values that a flag of a command can have, where they are few.
func valuesOf(arg, command string) []string {
	switch {
	case arg == "KIND":
		return strings.Split(tracer.KindNames(), ", ")
	case arg == "FORMAT" && command == "diff":
		return export.DiffFormats()
	case arg == "FORMAT":
		return export.Formats()
	}
	return nil
}

// String is the flag as one types it.
func (o option) String() string {
	text := "--" + o.Long
	if o.Short != "" {
		text = "-" + o.Short + ", " + text
	}
	if o.Arg != "" {
		text += " " + o.Arg
	}
	return text
}
