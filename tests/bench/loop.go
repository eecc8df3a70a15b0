package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"time"
)

// program is a running tests/programs/bench.
type program struct {
	cmd   *exec.Cmd
	pid   int
	stdin io.WriteCloser
	lines *bufio.Reader
	// log keeps what it says on stderr, where sanitizers report.
	log *output
}

// timing is what one loop took, in ns for each operation.
type timing struct {
	Wall float64 `json:"ns_per_op"`
	CPU  float64 `json:"cpu_ns_per_op"`
}

// startProgram starts tests/programs/bench, or a variant of it, or either below
// a wrapper that is named first.
func startProgram(words ...string) (*program, error) {
	p := &program{cmd: exec.Command(words[0], words[1:]...), log: &output{changed: make(chan struct{}, 1)}}
	p.cmd.Stderr = p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", words[0], err)
	}
	p.lines = bufio.NewReader(stdout)
	line, err := p.lines.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("start %s: %w; it said: %s", words[0], err, lastLines(p.log.String()))
	}
	if _, err := fmt.Sscanf(line, "ready %d", &p.pid); err != nil {
		return nil, fmt.Errorf("start %s: it said %q", words[0], line)
	}
	return p, nil
}

// plain is the path of a program as `make bench` has built it.
func plain(name string) string { return filepath.Join("build/programs", name) }

// run makes n operations of a loop.
func (p *program) run(loop string, n int) (timing, error) {
	var t timing
	if _, err := fmt.Fprintf(p.stdin, "%s %d\n", loop, n); err != nil {
		return t, fmt.Errorf("run %s: %w", loop, err)
	}
	line, err := p.lines.ReadBytes('\n')
	if err != nil {
		return t, fmt.Errorf("run %s: %w; it said: %s", loop, err, lastLines(p.log.String()))
	}
	if err := json.Unmarshal(line, &t); err != nil {
		return t, fmt.Errorf("run %s: %q: %w", loop, line, err)
	}
	return t, nil
}

// count finds how many operations take about so long, and warms the loop up.
func (p *program) count(loop string, want time.Duration) (int, error) {
	const most = 1 << 24
	n := 2
	for {
		t, err := p.run(loop, n)
		if err != nil {
			return 0, err
		}
		took := time.Duration(t.Wall * float64(n))
		if took > want/4 || n >= most {
			return max(1, int(float64(want)/t.Wall)), nil
		}
		n *= 2
	}
}

// end lets it end, which it does at the end of its input.
func (p *program) end() error {
	if p == nil {
		return nil
	}
	_ = p.stdin.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w; it said: %s", p.cmd.Path, err, lastLines(p.log.String()))
	}
	return nil
}
