package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is another tool that part of the same question is put to.
type peer struct {
	name string
	// loops are those whose resources the tool knows of.
	loops []string
	// attach starts it on a process; nil for a tool that a program starts under.
	attach func(b *bench, pid int) (*command, error)
	// inKernel says that it costs nothing outside the target: then ratios are by
	// processor time, which is the same on a busy machine.
	inKernel bool
	// under are the words that start the program under the tool.
	under []string
	// kinds are the leaks whose stacks it could show.
	kinds []string
	// report is the file it writes to; "" for its own output.
	report string
}

// withTracefs mounts what tools find tracepoints in, which not every machine
// does, and has a tool write line by line, so that its header does not wait.
const withTracefs = `mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing
exec stdbuf -oL "$0" "$@"`

// startTracer starts a tool in a mount namespace of its own.
func startTracer(words ...string) (*command, error) {
	return startCommand("unshare", append([]string{"-m", "sh", "-c", withTracefs}, words...)...)
}

var allKinds = []string{"thread", "child", "socket"}

var peers = []peer{
	{name: "bpftrace, by processor time", inKernel: true, loops: loops[:4], kinds: allKinds, attach: (*bench).bpftrace},
	{name: "bcc stackcount, by processor time", inKernel: true, loops: []string{"thread", "fork"}, kinds: allKinds[:2], attach: awaited("Tracing", "stackcount-bpfcc", "-U", "-p", "PID", "t:task:task_newtask")},
	{name: "bcc exitsnoop, by processor time", inKernel: true, loops: []string{"thread", "fork"}, attach: awaited("PCOMM", "exitsnoop", "-t")},
	{name: "bcc tcplife, by processor time", inKernel: true, loops: []string{"tcp"}, attach: awaited("LADDR", "tcplife", "-p", "PID")},
	{name: "strace -f -k", loops: loops[:4], kinds: allKinds, attach: (*bench).strace, report: "strace"},
	{name: "valgrind --track-fds", loops: []string{"tcp", "recv"}, kinds: allKinds[2:], under: []string{"valgrind", "-q", "--tool=none", "--track-fds=yes", "--num-callers=40", plain("bench")}},
	{name: "ThreadSanitizer", loops: []string{"thread"}, kinds: allKinds[:1], under: []string{plain("bench-tsan")}},
}

func (b *bench) bpftrace(pid int) (*command, error) {
	c, err := startTracer("bpftrace", "tests/bench/peers/leaks.bt", strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	return c, c.await("ready")
}

func (b *bench) strace(pid int) (*command, error) {
	c, err := startCommand("strace", "-f", "-k", "-o", filepath.Join(b.scratch, "strace"),
		"-e", "trace=clone,clone3,fork,vfork,wait4,connect,accept,accept4,close,sendto,recvfrom", "-p", strconv.Itoa(pid))
	if err != nil {
		return nil, err
	}
	return c, c.await("attached")
}

// awaited starts a tool that says something when it is ready.
func awaited(ready string, words ...string) func(*bench, int) (*command, error) {
	return func(_ *bench, pid int) (*command, error) {
		args := make([]string, len(words))
		for i, word := range words {
			args[i] = word
			if word == "PID" {
				args[i] = strconv.Itoa(pid)
			}
		}
		c, err := startTracer(args...)
		if err != nil {
			return nil, err
		}
		return c, c.await(ready)
	}
}

// measurePeers runs each tool on the loops it knows of. One that does not run
// on this machine has its error in the table.
func (b *bench) measurePeers() error {
	if err := b.judgeOwnStacks(); err != nil {
		return err
	}
	for _, peer := range peers {
		b.progress("peers: %s", peer.name)
		if err := b.measurePeer(peer); err != nil {
			b.say("peers", peer.name, "stacks", "does not run here: `"+lastLine(err.Error())+"`")
		}
	}
	return nil
}

func (b *bench) measurePeer(peer peer) error {
	ratios := make(map[string][]float64)
	for range b.rounds(5, 3) {
		if err := b.peerRound(peer, ratios); err != nil {
			return err
		}
	}
	verdict, err := b.peerStacks(peer)
	if err != nil {
		return err
	}
	for _, loop := range peer.loops {
		b.add("peers", peer.name, loop, "", ratios[loop])
	}
	b.say("peers", peer.name, "stacks", verdict)
	return nil
}

// peerRound adds a ratio to each loop's.
func (b *bench) peerRound(peer peer, ratios map[string][]float64) error {
	p, err := startProgram(plain("bench"))
	if err != nil {
		return err
	}
	before, err := timeLoops(p, peer.loops)
	if err != nil {
		return errors.Join(err, p.end())
	}
	observed, detach, err := b.observe(peer, p)
	if err != nil {
		return errors.Join(err, p.end())
	}
	after, err := timeLoops(observed, peer.loops)
	if err := errors.Join(err, detach(), p.end()); err != nil {
		return err
	}
	for _, loop := range peer.loops {
		ratio := after[loop].Wall / before[loop].Wall
		if peer.inKernel {
			ratio = after[loop].CPU / before[loop].CPU
		}
		ratios[loop] = append(ratios[loop], ratio)
	}
	return nil
}

// observe puts a program under a tool: p itself, or a new one.
func (b *bench) observe(peer peer, p *program) (observed *program, detach func() error, err error) {
	if peer.attach != nil {
		c, err := peer.attach(b, p.pid)
		if err != nil {
			return nil, nil, errors.Join(err, stop(c))
		}
		return p, c.interrupt, nil
	}
	q, err := startProgram(peer.under...)
	if err != nil {
		return nil, nil, err
	}
	return q, func() error { return q.end() }, nil
}

// stop ends a tool that did not get ready.
func stop(c *command) error {
	if c == nil {
		return nil
	}
	return c.interrupt()
}

// timeLoops runs loops for as many operations as take about as long with and
// without a tool.
func timeLoops(p *program, names []string) (map[string]timing, error) {
	out := make(map[string]timing)
	for _, loop := range names {
		n, err := p.count(loop, 2*passTime)
		if err != nil {
			return nil, err
		}
		if out[loop], err = p.run(loop, n); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// peerStacks lets the tool see leaks, and judges what it says of them.
func (b *bench) peerStacks(peer peer) (string, error) {
	p, err := startProgram(plain("bench"))
	if err != nil {
		return "", err
	}
	if peer.under != nil {
		observed, _, err := b.observe(peer, p)
		if err != nil {
			return "", errors.Join(err, p.end())
		}
		// A sanitizer's status says that it has found something.
		err = leakUnder(observed)
		_ = observed.end()
		return judgeStacks(observed.log.String(), peer.kinds...), errors.Join(err, p.end())
	}
	c, err := peer.attach(b, p.pid)
	if err != nil {
		return "", errors.Join(err, stop(c), p.end())
	}
	// bpftrace looks addresses up at its end, when the process must still live.
	if err := errors.Join(leakUnder(p), c.interrupt(), p.end()); err != nil {
		return "", err
	}
	output := c.said.String()
	if peer.report != "" {
		text, err := os.ReadFile(filepath.Join(b.scratch, peer.report))
		if err != nil {
			return "", err
		}
		output = string(text)
	}
	return judgeStacks(output, peer.kinds...), nil
}

// judgeOwnStacks judges leaktrace by the same means: a report as JSON has one
// frame's function a line.
func (b *bench) judgeOwnStacks() error {
	report := filepath.Join(b.scratch, "report.json")
	p, err := startProgram(plain("bench"))
	if err != nil {
		return err
	}
	c, err := startCommand(leaktrace, "run", "--pid", strconv.Itoa(p.pid), "--interval", "200ms",
		"--min-age", "500ms", "--format", "json", "--output", report)
	if err != nil {
		return errors.Join(err, p.end())
	}
	err = errors.Join(c.await("\n"), leakUnder(p), c.await("LEAK  zombie"), c.interrupt(), p.end())
	if err != nil {
		return err
	}
	text, err := os.ReadFile(report)
	if err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	for _, row := range []string{"leaktrace", "leaktrace, by processor time"} {
		for _, loop := range loops[:4] {
			b.repeat("loops", loop, row, "peers", row, loop)
		}
		b.say("peers", row, "stacks", judgeStacks(string(text), allKinds...))
	}
	return nil
}

// repeat shows a figure in another table too, if it was measured.
func (b *bench) repeat(table, row, column, toTable, toRow, toColumn string) {
	for _, f := range b.figures {
		if f.Table == table && f.Row == row && f.Column == column {
			f.Table, f.Row, f.Column = toTable, toRow, toColumn
			b.figures = append(b.figures, f)
			return
		}
	}
}

// lastLine is what an error ends with: usually what matters.
func lastLine(text string) string {
	const most = 160
	line := ""
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			line = l
		}
	}
	if len(line) > most {
		line = line[:most] + "…"
	}
	return line
}
