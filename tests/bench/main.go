// Command bench measures what tracing with leaktrace costs, and what other
// tools cost in the same run, and prints it as tables in Markdown. `make bench`
// builds what it needs and runs it, as root.
//
// Every ratio compares runs that were made seconds apart, in rounds whose order
// changes; the tables have the median of the rounds and the quartiles. It
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
	{"stack", "One captured stack of 20 frames, with hash, look-up in the stack table and count", (*bench).measureStack, false},
	{"programs", "What each BPF program costs, by the loop that runs it (kernel.bpf_stats_enabled)", (*bench).measurePrograms, false},
	{"parked", "Where 10,000 threads are parked", (*bench).measureParked, true},
}

// bench is one run of the benchmark. It runs in the root of the repository.
type bench struct {
	short   bool
	scratch string // a directory for files of programs
	figures []figure
}

func main() {
	short := flag.Bool("short", os.Getenv("BENCH_SHORT") != "", "only loops and leaktrace's own cost, with fewer rounds")
	only := flag.String("only", "", "only these tables, separated by commas")
	output := flag.String("output", "build/bench.json", "write the figures there")
	previous := flag.String("previous", "tests/testdata/bench.json", "compare with the figures there")
	flag.Parse()
	if err := run(*short, *only, *output, *previous); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(short bool, only, output, previous string) error {
	scratch, err := os.MkdirTemp("", "leaktrace-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	b := &bench{short: short, scratch: scratch}
	here, err := thisMachine()
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", here)
	if here.Load > float64(here.CPUs)/4 {
		fmt.Println("\nThe machine was busy: trust what is by processor time, and what the kernel has counted.")
	}
	var errs []error
	for _, t := range tables {
		if !chosen(t.name, only, t.long && short) {
			continue
		}
		// One table that cannot be measured takes none of the others along.
		if err := t.measure(b); err != nil {
			errs = append(errs, fmt.Errorf("measure %s: %w", t.name, err))
		}
		printTable(os.Stdout, t.title, ofTable(b.figures, t.name))
	}
	result := result{Machine: here, Figures: b.figures}
	before, err := readResult(previous)
	switch {
	case errors.Is(err, os.ErrNotExist):
		fmt.Printf("\nNothing to compare with: there is no %s.\n", previous)
	case err != nil:
		errs = append(errs, err)
	default:
		result.compare(os.Stdout, before)
	}
	return errors.Join(append(errs, result.write(output))...)
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
