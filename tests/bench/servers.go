package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// Both servers run one thread, on a processor of its own where there are two:
// they are what is busy, not the clients.
const (
	serverCPU = "0"
	clientCPU = "1"
	nginxPort = "18080"
	redisPort = "18379"
)

const nginxConfig = `daemon off; worker_processes 1; user root; pid nginx.pid; error_log stderr notice;
events { worker_connections 1024; }
http {
	access_log off; keepalive_requests 100000000;
	client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
	server { listen 127.0.0.1:%s backlog=4096; location / { return 200 "hello\n"; } }
}
`

// server is a server under load.
type server struct {
	name string
	// start starts it, and says which process is to be traced and which works.
	start func(*bench) (c *command, pid, worker int, err error)
	// load puts it under load for about two seconds.
	load func() (served, error)
	// options are leaktrace's.
	options []string
}

// served is what a client counted.
type served struct{ requests, perSecond float64 }

var servers = []server{
	{"nginx, keep-alive", (*bench).startNginx, wrk(), []string{"--follow"}},
	{"nginx, connection a request", (*bench).startNginx, wrk("--header", "Connection: close"), []string{"--follow"}},
	{"redis", (*bench).startRedis, redisBenchmark, nil},
}

func (b *bench) measureServers() error {
	var errs []error
	for _, s := range servers {
		b.progress("servers: %s", s.name)
		if err := b.measureServer(s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	return errors.Join(errs...)
}

// measureServer compares throughput, and the processor time of a request.
func (b *bench) measureServer(s server) error {
	c, pid, worker, err := s.start(b)
	if err != nil {
		return errors.Join(err, stop(c))
	}
	var plain, throughput, cpu, each []float64
	_, _, err = loadServer(s, worker) // warms it up
	for i := 0; err == nil && i < b.rounds(12, 3); i++ {
		var untraced, traced served
		var untracedCPU, tracedCPU float64
		if untraced, untracedCPU, err = loadServer(s, worker); err != nil {
			break
		}
		var tracer *command
		if tracer, err = trace(pid, s.options...); err != nil {
			break
		}
		traced, tracedCPU, err = loadServer(s, worker)
		err = errors.Join(err, tracer.interrupt())
		plain = append(plain, untraced.perSecond)
		throughput = append(throughput, traced.perSecond/untraced.perSecond)
		cpu = append(cpu, tracedCPU/untracedCPU)
		each = append(each, untracedCPU)
	}
	b.add("servers", s.name, "untraced", "requests/s", plain)
	b.add("servers", s.name, "throughput", "", throughput)
	b.add("servers", s.name, "processor time of a request, untraced", "ns", each)
	b.add("servers", s.name, "processor time of a request", "", cpu)
	if err == nil {
		err = b.hooksOfServer(s, pid, worker)
	}
	return errors.Join(err, c.interrupt())
}

// hooksOfServer measures what the hooks cost for one request. It is a load of
// its own, since the kernel's statistics cost something too.
func (b *bench) hooksOfServer(s server, pid, worker int) error {
	tracer, err := trace(pid, s.options...)
	if err != nil {
		return err
	}
	statistics, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return errors.Join(err, tracer.interrupt())
	}
	var done served
	costs, err := during(tracer.Process.Pid, func() error {
		done, _, err = loadServer(s, worker)
		return err
	})
	var sum uint64
	for _, c := range costs {
		sum += c.ns
	}
	if err == nil {
		b.add("servers", s.name, "hooks, for a request", "ns", []float64{float64(sum) / done.requests})
	}
	return errors.Join(err, statistics.Close(), tracer.interrupt())
}

// loadServer returns what the client counted, and the ns of processor time that
// the server took for each request.
func loadServer(s server, worker int) (served, float64, error) {
	before, err := cpuTime(worker)
	if err != nil {
		return served{}, 0, err
	}
	done, err := s.load()
	if err != nil {
		return served{}, 0, err
	}
	after, err := cpuTime(worker)
	return done, float64(after-before) / done.requests, err
}

func (b *bench) startNginx() (c *command, pid, worker int, err error) {
	config := filepath.Join(b.scratch, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, nginxPort), 0o644); err != nil {
		return nil, 0, 0, err
	}
	c, err = startCommand("taskset", "-c", serverCPU, "nginx", "-p", b.scratch, "-e", "stderr", "-c", config)
	if err != nil {
		return nil, 0, 0, err
	}
	if err := c.await("start worker process "); err != nil {
		return c, 0, 0, err
	}
	// taskset has become nginx, whose only child works.
	pid = c.Process.Pid
	_, said, _ := strings.Cut(c.said.String(), "start worker process ")
	_, err = fmt.Sscan(said, &worker)
	return c, pid, worker, err
}

func (b *bench) startRedis() (c *command, pid, worker int, err error) {
	c, err = startCommand("taskset", "-c", serverCPU, "redis-server", "--port", redisPort, "--bind", "127.0.0.1",
		"--save", "", "--appendonly", "no", "--dir", b.scratch)
	if err != nil {
		return nil, 0, 0, err
	}
	return c, c.Process.Pid, c.Process.Pid, c.await("Ready to accept connections")
}

var wrkSays = regexp.MustCompile(`(\d+) requests in[^\n]*\n(?s:.*)Requests/sec:\s+([\d.]+)`)

// wrk loads nginx from one thread, over 16 connections.
func wrk(options ...string) func() (served, error) {
	args := append([]string{"-c", clientCPU, "wrk", "-t1", "-c16", "-d2s"}, options...)
	args = append(args, "http://127.0.0.1:"+nginxPort+"/")
	return func() (served, error) {
		text, err := exec.Command("taskset", args...).CombinedOutput()
		found := wrkSays.FindSubmatch(text)
		if err == nil && (found == nil || bytes.Contains(text, []byte("Non-2xx"))) {
			err = errors.New("not what was asked for")
		}
		if err != nil {
			return served{}, fmt.Errorf("run wrk: %w: %s", err, lastLines(string(text)))
		}
		return parseServed(found[1], found[2])
	}
}

func parseServed(requests, perSecond []byte) (served, error) {
	n, err1 := strconv.ParseFloat(string(requests), 64)
	rate, err2 := strconv.ParseFloat(string(perSecond), 64)
	return served{n, rate}, errors.Join(err1, err2)
}

// redisBenchmark sets and gets, over 16 connections.
func redisBenchmark() (served, error) {
	const each = 50000
	start := time.Now()
	text, err := exec.Command("taskset", "-c", clientCPU, "redis-benchmark", "-p", redisPort,
		"-t", "set,get", "-n", strconv.Itoa(each), "-c", "16", "--csv").CombinedOutput()
	took := time.Since(start).Seconds()
	if err == nil && bytes.Count(text, []byte(`ET","`)) != 2 {
		err = errors.New("not what was asked for")
	}
	if err != nil {
		return served{}, fmt.Errorf("run redis-benchmark: %w: %s", err, lastLines(string(text)))
	}
	return served{2 * each, 2 * each / took}, nil
}
