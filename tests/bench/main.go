// Command bench measures what tracing with leaktrace costs, and what other
// tools cost in the same run, and prints it as tables in Markdown. `make bench`
// builds what it needs and runs it, as root.
//
// Every ratio compares runs that were made seconds apart, in rounds (of the loops
// in changing order, else untraced first); the tables have the median of the rounds and the quartiles. It
// reports and never judges: the exit status says only that it could measure.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
)

// tables are what is measured, in the order of the output.
var tables = []struct {
	name, title string
	measure     func(*bench) error
	long        bool // left out of a short run
}{
	{"loops", "Tight loops: traced / untraced", (*bench).measureLoops, false},
	{"servers", "Servers: traced / untraced", (*bench).measureServers, true},
	{"peers", "Other tools on the same loops: traced / untraced", (*bench).measurePeers, true},
	{"own", "leaktrace itself", (*bench).measureOwn, false},
	{"stack", "One captured stack of 20 frames, with hash and look-up in the stack table", (*bench).measureStack, false},
	{"programs", "What each BPF program costs, by the loop that runs it (kernel.bpf_stats_enabled)", (*bench).measurePrograms, false},
	{"goroutines", "A Go program beside 100,000 goroutines that wait: traced / untraced", (*bench).measureGoroutines, true},
	{"parked", "Where 10,000 threads are parked", (*bench).measureParked, true},
}

// bench is one run of the benchmark. It runs in the root of the repository.
type bench struct {
	short   bool
	scratch string // a directory for files of programs
	figures []figure
}

// options are the flags.
type options struct {
	short, keep            bool
	only, from             string
	output, previous, page string
}

func main() {
	var o options
	flag.BoolVar(&o.short, "short", os.Getenv("BENCH_SHORT") != "", "only what takes few minutes, with fewer rounds")
	flag.StringVar(&o.only, "only", "", "only these tables, separated by commas")
	flag.StringVar(&o.from, "from", "", "show the figures of this file and measure nothing")
	flag.BoolVar(&o.keep, "keep", false, "keep the figures: as the previous ones from now on, and in the page")
	flag.StringVar(&o.output, "output", "build/bench.json", "write the figures there")
	flag.StringVar(&o.previous, "previous", "tests/testdata/bench.json", "compare with the figures there")
	flag.StringVar(&o.page, "page", "README.md", "the page that shows the figures")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	now, err := o.figures()
	if now == nil {
		return err
	}
	before, problem := readResult(o.previous)
	switch {
	case errors.Is(problem, os.ErrNotExist):
		fmt.Printf("\nNothing to compare with: there is no %s.\n", o.previous)
	case problem != nil:
		err = errors.Join(err, problem)
	default:
		now.compare(os.Stdout, before)
	}
	err = errors.Join(err, now.write(o.output))
	if err == nil && o.keep {
		err = errors.Join(now.write(o.previous), now.publish(o.page))
	}
	return err
}

// figures reads or measures them, and prints each table.
func (o options) figures() (*result, error) {
	if o.from == "" {
		return o.measure()
	}
	r, err := readResult(o.from)
	if err == nil {
		r.print(os.Stdout)
	}
	return r, err
}

func (o options) measure() (*result, error) {
	scratch, err := os.MkdirTemp("", "leaktrace-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	here, err := thisMachine()
	if err != nil {
		return nil, err
	}
	b := &bench{short: o.short, scratch: scratch}
	here.print(os.Stdout)
	var errs []error
	for _, t := range tables {
		if !chosen(t.name, o.only, t.long && o.short) {
			continue
		}
		// One table that cannot be measured takes none of the others along.
		if err := t.measure(b); err != nil {
			errs = append(errs, fmt.Errorf("measure %s: %w", t.name, err))
		}
		printTable(os.Stdout, t.title, ofTable(b.figures, t.name))
	}
	return &result{Machine: here, Figures: b.figures}, errors.Join(errs...)
}

// chosen says whether a table is wanted; who names one gets it.
func chosen(name, only string, skip bool) bool {
	if only == "" {
		return !skip
	}
	return slices.Contains(strings.Split(only, ","), name)
}

// rounds is how many rounds a table gets: fewer in a short run.
func (b *bench) rounds(long, short int) int {
	if b.short {
		return short
	}
	return long
}

// progress tells who waits what is going on.
func (b *bench) progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
}
