package main

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"
)

// scripts are templates of completion scripts, one for each shell.
//
//go:embed completion/bash completion/zsh completion/fish
var scripts embed.FS

// shells are those that have a completion script, and how it is used.
var shells = map[string]string{
	"bash": "source <(leaktrace completion bash), or keep it as /etc/bash_completion.d/leaktrace",
	"zsh":  "source <(leaktrace completion zsh), or keep it as _leaktrace in a directory of $fpath",
	"fish": "leaktrace completion fish | source, or keep it as ~/.config/fish/completions/leaktrace.fish",
}

func completionCommand(e env) *cli.Command {
	names := slices.Sorted(maps.Keys(shells))
	var description []string
	for _, name := range names {
		description = append(description, name+": "+shells[name]+".")
	}
	return &cli.Command{
		Name:         "completion",
		Usage:        "print the completion script of a shell",
		ArgsUsage:    "(" + strings.Join(names, " | ") + ")",
		Description:  strings.Join(description, "\n\n"),
		OnUsageError: onUsageError,
		Action: func(c *cli.Context) error {
			shell := c.Args().First()
			if c.NArg() != 1 || shells[shell] == "" {
				return usageError("completion takes the name of a shell: %s", strings.Join(names, ", "))
			}
			script, err := template.New(shell).Funcs(scriptFuncs).ParseFS(scripts, "completion/"+shell)
			if err != nil {
				return fmt.Errorf("write completion: %w", err)
			}
			if err := script.Execute(e.stdout, completions(c.App)); err != nil {
				return fmt.Errorf("write completion: %w", err)
			}
			return nil
		},
	}
}

// completed is a command as completion needs it.
type completed struct {
	Name, Usage string
	Options     []option
	// Arguments says what follows the options: a "command", a "file", a "shell" or "".
	Arguments string
}

func completions(app *cli.App) (all []completed) {
	arguments := map[string]string{
		"run": "command", "record": "command", "report": "file", "diff": "file", "completion": "shell",
	}
	for _, c := range app.VisibleCommands() {
		all = append(all, completed{c.Name, c.Usage, optionsOf(c), arguments[c.Name]})
	}
	return all
}

// scriptFuncs quote text for the shells, whose rules differ.
var scriptFuncs = template.FuncMap{
	"ownOptions": ownOptions,
	"words":      func(list []string) string { return strings.Join(list, " ") },
	"shells": func() string {
		return strings.Join(slices.Sorted(maps.Keys(shells)), " ")
	},
	// For text in single quotes.
	"quote":     func(s string) string { return strings.ReplaceAll(s, "'", `'\''`) },
	"fishQuote": strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace,
	// For what stands in brackets, between colons, within single quotes.
	"zshQuote": strings.NewReplacer(`\`, `\\`, `[`, `\[`, `]`, `\]`, `:`, `\:`, `'`, `'\''`).Replace,
}
