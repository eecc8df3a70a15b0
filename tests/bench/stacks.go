package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// leaks are the functions of tests/programs/bench.c that leave something
// behind, by what it is.
var leaks = []struct{ kind, function string }{
	{"thread", "leak_thread"},
	{"child", "leak_child"},
	{"socket", "leak_socket"},
}

// callers is how many frames of one function lie between a leak and main.
const callers = 18

// mainFrame is main itself, and not libc's __libc_start_main, its caller.
var mainFrame = regexp.MustCompile(`\bmain\b`)

// judgeStacks says of which leaks a tool's output has the whole stack: from the
// function that leaked, by way of all its callers, to main; one frame a line.
func judgeStacks(output string, kinds ...string) string {
	lines := strings.Split(output, "\n")
	var verdicts []string
	for _, leak := range leaks {
		if slices.Contains(kinds, leak.kind) {
			verdicts = append(verdicts, leak.kind+" "+judgeStack(lines, leak.function))
		}
	}
	return strings.Join(verdicts, ", ")
}

// judgeStack is the best that is said of one function.
func judgeStack(lines []string, function string) string {
	named := false
	for i, line := range lines {
		if !strings.Contains(line, function) {
			continue
		}
		named = true
		if whole(lines[i+1:]) {
			return "right"
		}
	}
	if named {
		return "cut short"
	}
	return "wrong: its function is not named"
}

// whole says whether the frames that follow lead to main.
func whole(lines []string) bool {
	seen := 0
	for _, line := range lines {
		switch {
		case strings.Contains(line, "repeat"):
			seen++
		case mainFrame.MatchString(line) && seen > 0:
			return seen == callers
		}
		if strings.Contains(line, "leak_") {
			return false // the next stack
		}
	}
	return false
}

// leakUnder makes two leaks of each kind in a program, and ends it.
func leakUnder(p *program) error {
	const number = 2
	if _, err := p.run("leak", number); err != nil {
		return fmt.Errorf("make leaks: %w", err)
	}
	return nil
}
