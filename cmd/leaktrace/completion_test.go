package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// scriptOf writes the completion script of a shell to a file.
func scriptOf(t *testing.T, shell string) (path string) {
	t.Helper()
	var script bytes.Buffer
	if status := start([]string{"leaktrace", "completion", shell}, env{stdout: &script, stderr: os.Stderr}); status != 0 {
		t.Fatalf("status %d", status)
	}
	path = filepath.Join(t.TempDir(), "leaktrace."+shell)
	if err := os.WriteFile(path, script.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// completers ask real shells what they offer for a line that is typed, in a directory
// with the files old.ltz and new.ltz.
var completers = map[string]func(t *testing.T, script, line string) []string{
	"bash": func(t *testing.T, script, line string) []string {
		return run(t, "bash", "--norc", "-c", `
			source "$1"
			read -ra COMP_WORDS <<<"${2//=/ = }"
			[[ $2 == *[=\ ] ]] && COMP_WORDS+=('')
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			compopt() { :; } # only while completing
			_leaktrace
			printf '%s\n' "${COMPREPLY[@]}"`, "-", script, line)
	},
	"fish": func(t *testing.T, script, line string) []string {
		offers := run(t, "fish", "--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, script, line)
		for i, offer := range offers {
			offers[i], _, _ = strings.Cut(offer, "\t") // what comes then describes it
			if strings.HasPrefix(offers[i], "--") {
				_, value, found := strings.Cut(offers[i], "=")
				if found {
					offers[i] = value
				}
			}
		}
		return offers
	},
}

// run runs a program, and returns the lines it prints.
func run(t *testing.T, name string, args ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a terminal may wait for ever
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.TempDir()
	for _, file := range []string{"old.ltz", "new.ltz"} {
		if err := os.WriteFile(filepath.Join(cmd.Dir, file), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	// An interactive shell would write its history there while that is removed.
	cmd.Env = append(os.Environ(), "HOME="+cmd.Dir, "HISTFILE=")
	output, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s: %v\n%s", name, err, &stderr)
	}
	return strings.Split(strings.TrimSpace(string(output)), "\n")
}

func TestCompletion(t *testing.T) {
	tests := []struct {
		line        string
		want, wrong []string
	}{
		{"leaktrace ", []string{"run", "record", "report", "diff", "export", "doctor", "completion"}, []string{"old.ltz", "--pid"}},
		{"leaktrace --", []string{"--help", "--version"}, []string{"--pid", "run"}},
		{"leaktrace re", []string{"record", "report"}, []string{"run"}},
		{"leaktrace run --", []string{"--pid", "--kind", "--format", "--fail-on-leak"}, []string{"--listen"}},
		{"leaktrace run --fo", []string{"--follow", "--format"}, []string{"--pid"}},
		{"leaktrace run --format ", []string{"text", "json", "folded", "pprof"}, []string{"old.ltz", "zombie"}},
		{"leaktrace run --format=", []string{"text", "json", "folded", "pprof"}, []string{"old.ltz"}},
		{"leaktrace run --kind close-wait -k ", []string{"zombie", "thread", "unjoined-thread", "close-wait"}, []string{"text"}},
		{"leaktrace run --kind=un", []string{"unjoined-thread"}, []string{"zombie"}},
		{"leaktrace run --pid ", []string{"1"}, []string{"old.ltz"}},
		{"leaktrace run --suppress ", []string{"old.ltz", "new.ltz"}, []string{"--pid"}},
		{"leaktrace run --fail-on-leak -- tru", []string{"true"}, []string{"--pid"}},
		{"leaktrace run -- cat o", []string{"old.ltz"}, []string{"new.ltz"}},
		{"leaktrace diff --format ", []string{"text", "json"}, []string{"pprof"}},
		{"leaktrace diff old.ltz n", []string{"new.ltz"}, []string{"text"}},
		{"leaktrace report ", []string{"old.ltz"}, []string{"run"}},
		{"leaktrace export --", []string{"--listen", "--config"}, []string{"--pid"}},
		{"leaktrace completion ", []string{"bash", "zsh", "fish"}, []string{"old.ltz"}},
		{"leaktrace doctor ", nil, []string{"run", "old.ltz", "bash"}},
	}
	for shell, complete := range completers {
		script := scriptOf(t, shell)
		for _, tt := range tests {
			t.Run(shell+"/"+tt.line, func(t *testing.T) {
				t.Parallel()
				offered := complete(t, script, tt.line)
				for _, want := range tt.want {
					if !slices.Contains(offered, want) {
						t.Errorf("%q is not offered, only %q", want, offered)
					}
				}
				for _, wrong := range tt.wrong {
					if slices.Contains(offered, wrong) {
						t.Errorf("%q is offered, in %q", wrong, offered)
					}
				}
			})
		}
	}
}

// typists type at the terminal of a shell in which leaktrace prints what it was given.
// That terminal zsh has; the script is $1, what is typed $2.
var typists = map[string]string{
	"zsh": `
		zpty shell zsh -f -i
		zpty -w shell "PS1='' PS2=''; stty -echo; autoload -Uz compinit; compinit -u -D; source ${(q)1}"
		zpty -w shell 'leaktrace() { print -r -- "{$*}" }; print "{re""ady}"'`,
	"bash": `
		zpty shell bash --norc -i
		zpty -w shell "PS1='' PS2=''; stty -echo; bind 'set bell-style none'; source ${(q)1}"
		zpty -w shell 'leaktrace() { echo "{$*}"; }; echo "{re""ady}"'`,
}

func TestTypedCompletion(t *testing.T) {
	for _, tt := range []struct{ typed, zsh, bash string }{
		{"leaktrace ru\t", "run", "run"},
		{"leaktrace run --form\tfol\t", "run --format=folded", "run --format folded"},
		{"leaktrace run --ki\tun\t", "run --kind=unjoined-thread", "run --kind unjoined-thread"},
		{"leaktrace run -k zom\t", "run -k zombie", "run -k zombie"},
		{"leaktrace run --fail\t--supp\tol\t", "run --fail-on-leak --suppress=old.ltz", "run --fail-on-leak --suppress old.ltz"},
		{"leaktrace run -- cat ne\t", "run -- cat new.ltz", "run -- cat new.ltz"},
		{"leaktrace rep\t--format=js\tol\t", "report --format=json old.ltz", "report --format=json old.ltz"},
		{"leaktrace diff ol\tne\t", "diff old.ltz new.ltz", "diff old.ltz new.ltz"},
		{"leaktrace exp\t--web\t", "export --web.config.file", "export --web.config.file"},
		{"leaktrace --ver\t", "--version", "--version"},
		{"leaktrace comp\tfi\t", "completion fish", "completion fish"},
	} {
		for shell, want := range map[string]string{"zsh": tt.zsh, "bash": tt.bash} {
			t.Run(shell+"/"+tt.typed, func(t *testing.T) {
				t.Parallel()
				got := run(t, "zsh", "-f", "-c", "zmodload zsh/zpty"+typists[shell]+`
					zpty -r shell output '*{ready}*'
					zpty -w shell "$2"
					zpty -r shell output '*{*}*'
					output=${output##*\{}
					print -r -- ${output%%\}*}
					zpty -d shell`, "-", scriptOf(t, shell), tt.typed)
				if strings.TrimSpace(strings.Join(got, "\n")) != want {
					t.Errorf("got %q, want %q", got, want)
				}
			})
		}
	}
}

// Every value that completion could know it knows.
func TestEveryValueIsCompleted(t *testing.T) {
	for _, c := range commands(env{}) {
		for _, o := range optionsOf(c) {
			if known := o.Arg != "FORMAT" && o.Arg != "KIND" || len(o.Values) > 0; !known {
				t.Errorf("%s --%s: no values", c.Name, o.Long)
			}
			if o.Long == "" || o.Usage == "" {
				t.Errorf("%s: flag %+v", c.Name, o)
			}
		}
		for _, f := range c.Flags {
			if documented, ok := f.(cli.DocGenerationFlag); !ok || documented.TakesValue() != (newOption(f, c.Name).Arg != "") {
				t.Errorf("%s: what %v takes has no name", c.Name, f.Names())
			}
		}
	}
}
