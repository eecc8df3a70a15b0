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

// mainFrame is main itself, and not libc's __libc_start_main, its caller, nor a
// directory of that name.
var mainFrame = regexp.MustCompile(`(^|[^/\w])main([^/\w]|$)`)

// How a tool's stack of a leak can be.
const (
	right    = "right"
	cutShort = "cut short"
	wrong    = "wrong" // the function that leaked is not named
)

// judgeStacks says of which leaks a tool's output has the whole stack: from the
// function that leaked, by way of all its callers, to main; one frame a line.
func judgeStacks(output string, kinds ...string) string {
	if len(kinds) == 0 {
		return "has none"
	}
	lines := strings.Split(output, "\n")
	judged := make(map[string][]string)
	for _, leak := range leaks {
		if slices.Contains(kinds, leak.kind) {
			verdict := judgeStack(lines, leak.function)
			judged[verdict] = append(judged[verdict], leak.kind)
		}
	}
	var said []string
	for _, verdict := range []string{right, cutShort, wrong} {
		if judged[verdict] != nil {
			said = append(said, verdict+": "+strings.Join(judged[verdict], ", "))
		}
	}
	return strings.Join(said, "; ")
}

// judgeStack is the best that is said of one function.
func judgeStack(lines []string, function string) string {
	verdict := wrong
	for i, line := range lines {
		if !strings.Contains(line, function) {
			continue
		}
		verdict = cutShort
		if whole(lines[i+1:]) {
			return right
		}
	}
	return verdict
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
