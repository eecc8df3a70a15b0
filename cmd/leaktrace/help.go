package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// usage is what leaktrace is, in a line.
const usage = "find the line of code that created what was never given back"

// example is a command line and what it is for.
type example struct{ purpose, line string }

// firstSteps are what one types in the first minutes. They are shown where leaktrace
// is started without arguments.
func firstSteps(sudo string) []example {
	return []example{
		{"which processes are worth a look?", sudo + "leaktrace run"},
		{"what does this one leak? (Ctrl-C for the report)", sudo + "leaktrace run --pid PID"},
		{"what does this command leak?", sudo + "leaktrace run -- COMMAND"},
		{"can this machine be traced?", sudo + "leaktrace doctor"},
	}
}

// moreSteps are the other things leaktrace is used for, by somebody who is not root.
func moreSteps() []example {
	return []example{
		{"fail a test that leaks", "sudo leaktrace run --fail-on-leak -- make test"},
		{"keep what was found, and look at it elsewhere", "sudo leaktrace record --pid PID --duration 5m --output orders.ltz\nleaktrace report orders.ltz"},
		{"look at it with pprof", "leaktrace report --format pprof --output orders.pb.gz orders.ltz\ngo tool pprof -http : orders.pb.gz"},
		{"what has a deploy made worse?", "leaktrace diff before.ltz after.ltz"},
		{"watch a whole machine, always", "sudo leaktrace export"},
	}
}

// status is an exit status.
type status struct{ code, meaning string }

var statuses = []status{
	{"0", "all went well, whatever leaks"},
	{"1", "something failed: the message says what, and what to do"},
	{"2", "wrong usage, or run without a target"},
	{"3", "something leaks, and --fail-on-leak was given"},
	{"other", "of run and record with a COMMAND: the command's own, 128 + N when signal N ended it"},
}

// showFirstSteps is what leaktrace says when it is started without arguments.
func showFirstSteps(w io.Writer, sudo string) error {
	p := page{width: 80}
	p.line("leaktrace: " + usage)
	p.line("(zombies, threads, unjoined threads, sockets in CLOSE_WAIT, goroutines)")
	p.line("")
	widest := 0
	for _, step := range firstSteps(sudo) {
		widest = max(widest, len(step.line))
	}
	for _, step := range firstSteps(sudo) {
		p.line(fmt.Sprintf("  %-*s  %s", widest, step.line, step.purpose))
	}
	p.line("")
	p.line("leaktrace --help shows all there is; leaktrace man | man -l - the manual")
	_, err := io.WriteString(w, p.String())
	return err
}

// page is text that is wrapped at a width.
type page struct {
	strings.Builder
	width int
}

func (p *page) line(text string) { p.WriteString(text + "\n") }

// fill writes words side by side, each line after the first further in.
func (p *page) fill(first, further, text string) {
	line, empty := first, true
	for _, word := range strings.Fields(text) {
		if !empty && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > p.width {
			p.line(line)
			line, empty = further, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+word, false
	}
	p.line(strings.TrimRight(line, " "))
}

// rows writes two columns.
func (p *page) rows(rows [][2]string) {
	const most = 22 // columns of the left one; a longer entry has a line of its own
	widest := 0
	for _, row := range rows {
		if n := utf8.RuneCountInString(row[0]); n <= most {
			widest = max(widest, n)
		}
	}
	indent := strings.Repeat(" ", widest+4)
	for _, row := range rows {
		if utf8.RuneCountInString(row[0]) > widest {
			p.line("  " + row[0])
			p.fill(indent, indent, row[1])
			continue
		}
		p.fill(fmt.Sprintf("  %-*s  ", widest, row[0]), indent, row[1])
	}
}

func (p *page) options(all []option) {
	p.line("\nOptions:")
	var rows [][2]string
	for _, o := range all {
		left := o.String()
		if o.Short == "" {
			left = "    " + left
		}
		rows = append(rows, [2]string{left, o.Usage})
	}
	p.rows(rows)
}

func (p *page) examples(all []example) {
	p.line("\nExamples:")
	for _, e := range all {
		p.line("  " + e.purpose)
		for line := range strings.Lines(e.line) {
			p.line("      " + strings.TrimSuffix(line, "\n"))
		}
	}
}

// appHelp is the help of leaktrace itself.
func appHelp(app *cli.App, width int) string {
	p := page{width: width}
	p.line("leaktrace: " + usage)
	p.line("\nUsage: leaktrace COMMAND [OPTION…]")
	p.line("")
	p.fill("", "", about)
	p.line("\nCommands:")
	var rows [][2]string
	for _, c := range app.Commands {
		rows = append(rows, [2]string{c.Name, c.Usage})
	}
	p.rows(rows)
	p.line("\nleaktrace COMMAND --help says more about each.")
	p.options(ownOptions())
	p.examples(append(firstSteps("sudo "), moreSteps()...))
	p.line("\nExit status:")
	rows = nil
	for _, s := range statuses {
		rows = append(rows, [2]string{s.code, s.meaning})
	}
	p.rows(rows)
	return p.String()
}

// about is a paragraph on what leaktrace does.
const about = "leaktrace traces unmodified processes with eBPF, and attributes zombies, threads that never end, " +
	"threads that nobody joined and sockets in CLOSE_WAIT to the stack that created them, and goroutines " +
	"that wait for good to their go statement. Tracing takes " +
	"the rights of root; rendering, comparing and listing processes does not."

// commandHelp is the help of a command.
func commandHelp(c *cli.Command, width int) string {
	p := page{width: width}
	p.fill("leaktrace "+c.Name+": ", "    ", c.Usage)
	p.line("")
	p.fill("Usage: ", "    ", fmt.Sprintf("leaktrace %s %s", c.Name, arguments(c)))
	for paragraph := range strings.SplitSeq(c.Description, "\n\n") {
		if paragraph != "" {
			p.line("")
			p.fill("", "", paragraph)
		}
	}
	p.options(optionsOf(c))
	return p.String()
}

// arguments is what is typed after a command.
func arguments(c *cli.Command) string {
	if len(optionsOf(c)) == 1 { // --help
		return c.ArgsUsage
	}
	return strings.TrimSpace("[OPTION…] " + c.ArgsUsage)
}

// setHelp gives the application and its commands their help, for a terminal of so
// many columns.
func setHelp(app *cli.App, columns int) {
	width := 100
	if columns > 0 {
		width = min(max(columns, 60), 100)
	}
	app.CustomAppHelpTemplate = appHelp(app, width)
	for _, c := range app.Commands {
		c.CustomHelpTemplate = commandHelp(c, width)
		c.HideHelpCommand = true // help may be a file, or a command to trace
	}
}
