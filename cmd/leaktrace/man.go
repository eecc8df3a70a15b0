package main

import (
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

func manCommand(e env) *cli.Command {
	return &cli.Command{
		Name:         "man",
		Usage:        "print the manual page",
		Description:  "leaktrace man | man -l - reads it; it can be kept as /usr/local/share/man/man8/leaktrace.8.",
		OnUsageError: onUsageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usageError("man takes no arguments")
			}
			if _, err := io.WriteString(e.stdout, manual(c.App.VisibleCommands(), version(), dated())); err != nil {
				return fmt.Errorf("write manual page: %w", err)
			}
			return nil
		},
	}
}

// dated is the day of the commit that was built or, where that is not known, of the
// build: a manual page without a date is none.
func dated() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" && len(s.Value) >= len(time.DateOnly) {
				return s.Value[:len(time.DateOnly)]
			}
		}
	}
	built := time.Now()
	if file, err := os.Stat("/proc/self/exe"); err == nil {
		built = file.ModTime()
	}
	return built.UTC().Format(time.DateOnly)
}

// file is a file that leaktrace reads or writes by itself.
type file struct{ path, meaning string }

var files = []file{
	{"leaktrace.ltz", "what record writes, unless --output names another"},
	{"/sys/kernel/btf/vmlinux", "the types of the running kernel, without which nothing can be traced"},
	{"/usr/lib/debug", "debug information of packages, by which their functions get files and lines"},
	{"/tmp/perf-PID.map", "names of functions that a runtime compiled, where it writes them"},
}

// manual is the manual page, in the macros of man(7).
func manual(commands []*cli.Command, version, date string) string {
	p := roff{}
	p.line(`.TH "LEAKTRACE" "8" "` + date + `" "leaktrace ` + escapeRoff(version) + `" "System Administration"`)
	p.line(".nh\n.ad l") // commands are to be copied: no hyphens and no gaps in them
	p.macro("SH", "NAME")
	p.text("leaktrace - " + usage)
	p.macro("SH", "SYNOPSIS")
	for i, c := range commands {
		if i > 0 {
			p.line(".br")
		}
		p.line(strings.TrimSpace(`\fBleaktrace ` + escapeRoff(c.Name) + `\fR ` + escapeRoff(arguments(c))))
	}
	p.macro("SH", "DESCRIPTION")
	p.text(about)
	p.line(".PP")
	p.text("What is outstanding is leaking when it grows without a stop, or is dead and never collected. " +
		"Each site, the first line of a stack that is the application's own, is leaking, suspect, steady, " +
		"draining or unknown, with the reason.")
	p.macro("SH", "COMMANDS")
	for _, c := range commands {
		p.command(c)
	}
	p.macro("SH", "OPTIONS")
	for _, o := range ownOptions() {
		p.option(o)
	}
	p.macro("SH", "EXIT STATUS")
	for _, s := range statuses {
		p.entry(s.code, s.meaning)
	}
	p.macro("SH", "FILES")
	for _, f := range files {
		p.entry(f.path, f.meaning)
	}
	p.macro("SH", "EXAMPLES")
	for i, e := range append(firstSteps("sudo "), moreSteps()...) {
		if i > 0 {
			p.line(".PP")
		}
		p.text(e.purpose)
		p.line(".PP\n.RS 4\n.nf")
		p.line(escapeRoff(e.line))
		p.line(".fi\n.RE")
	}
	p.macro("SH", "SEE ALSO")
	p.line(`\fBbpftrace\fR(8), \fBss\fR(8), \fBstrace\fR(1), \fBvalgrind\fR(1)`)
	return p.String()
}

// roff is a page in the making.
type roff struct{ strings.Builder }

func (p *roff) line(text string) { p.WriteString(text + "\n") }

// macro writes a request with quoted arguments.
func (p *roff) macro(name string, args ...string) {
	p.WriteString("." + name)
	for _, arg := range args {
		p.WriteString(` "` + strings.ReplaceAll(escapeRoff(arg), `"`, `\(dq`) + `"`)
	}
	p.WriteString("\n")
}

// text writes text in lines of which none is a request, whatever it begins with.
func (p *roff) text(text string) {
	const width = 76
	line := ""
	for word := range strings.FieldsSeq(escapeRoff(text)) {
		if strings.HasPrefix(word, ".") {
			word = `\&` + word
		}
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > width:
			p.line(line)
			line = word
		default:
			line += " " + word
		}
	}
	p.line(line)
}

// entry writes a term and what it means.
func (p *roff) entry(term, meaning string) {
	p.line(".TP")
	p.line(`\fB` + escapeRoff(term) + `\fR`)
	p.text(meaning)
}

// command describes a command. What is true of all is said once, elsewhere.
func (p *roff) command(c *cli.Command) {
	p.macro("SS", c.Name)
	p.text(strings.ToUpper(c.Usage[:1]) + c.Usage[1:] + ".")
	for paragraph := range strings.SplitSeq(c.Description, "\n\n") {
		if paragraph != "" && !strings.HasPrefix(paragraph, "Exit status:") {
			p.line(".PP")
			p.text(paragraph)
		}
	}
	for _, o := range optionsOf(c) {
		if o.Long != "help" {
			p.option(o)
		}
	}
}

func (p *roff) option(o option) {
	p.line(".TP")
	names := `\fB` + escapeRoff("--"+o.Long) + `\fR`
	if o.Short != "" {
		names = `\fB` + escapeRoff("-"+o.Short) + `\fR, ` + names
	}
	p.line(strings.TrimSpace(names + ` \fI` + escapeRoff(o.Arg) + `\fR`))
	p.text(o.Usage)
}

// escapeRoff makes every character stand for itself: hyphens of commands can then be
// copied, and pages need no encoding.
func escapeRoff(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
