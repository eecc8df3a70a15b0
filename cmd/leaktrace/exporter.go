package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/leaktrace/leaktrace/export"
	"github.com/leaktrace/leaktrace/export/metrics"
	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/export/web"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// exporter is export while it runs.
type exporter struct {
	options  exportOptions
	log      *slog.Logger
	settings atomic.Pointer[node.Settings]
	owners   *workload.Directory
	tracer   nodeTracer
	watcher  *node.Watcher
	metrics  *metrics.Metrics
}

// exportNode does the work of export. Whatever is wrong with what the user gave is
// found out before anything is traced.
func exportNode(e env, o exportOptions, open func() (nodeTracer, error)) (err error) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	settings, err := o.settings()
	if err != nil {
		return err
	}
	if err := toolkit.Validate(o.webConfig); err != nil {
		return fmt.Errorf("web configuration %s: %w", o.webConfig, yamlError(err))
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("serve at %s: %w (--listen chooses another address)", o.listen, cause(err))
	}
	defer listener.Close()
	x := &exporter{options: o, log: slog.New(slog.NewTextHandler(e.stderr, nil))}
	x.settings.Store(&settings)
	if x.owners, err = workload.New(workload.Options{Node: o.node, Log: x.log}); err != nil {
		return err
	}
	if err := dropInherited(); err != nil {
		x.log.Warn("rights are kept that are not needed", "err", err)
	}
	if x.tracer, err = open(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.tracer.Close()) }()
	x.giveUpRights()
	defer x.nameOwners()()
	if err := x.begin(); err != nil {
		return err
	}
	return x.run(listener, signals)
}

// cause is the innermost error: those of package net repeat the address.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// giveUpRights gives up the rights that only the start needs. It comes before any
// process is traced: a thread that waits for the memory of one could not follow.
func (x *exporter) giveUpRights() {
	kept, broken, err := dropRights(func() error {
		_, err := x.tracer.Snapshot()
		return err
	})
	switch {
	case err != nil:
		x.log.Warn("rights are kept that are needed no longer", "err", err)
	case broken != nil:
		x.log.Error("cannot take a snapshot; the rights that only the start needs are given up all the same", "err", broken)
	case kept:
		x.log.Info("CAP_BPF and CAP_PERFMON are kept: this kernel asks for them when a map is read")
	}
}

// namesTimeout is how long the start may wait for the names of pods and containers.
const namesTimeout = 3 * time.Second

// nameOwners looks up whose cgroups are, until it is told to stop. It lets those that
// know answer first: without a name nothing can be left out, and what is published has
// the wrong labels.
func (x *exporter) nameOwners() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		if err := x.owners.Run(ctx); err != nil && ctx.Err() == nil {
			x.log.Error("names of pods and containers are not kept up to date any more", "err", err)
		}
	})
	ready, done := context.WithTimeout(ctx, namesTimeout)
	defer done()
	x.owners.Ready(ready)
	return func() { cancel(); working.Wait() }
}

// begin starts to trace.
func (x *exporter) begin() error {
	// A snapshot leaves less behind than what is kept. As giveBackMemory collects it
	// afterwards, there is no collection while one is taken.
	debug.SetGCPercent(100)
	kept := uint64(0)
	x.watcher = node.New(x.tracer, node.Options{
		Node:     x.options.node,
		Started:  time.Now(),
		Settings: func() node.Settings { return *x.settings.Load() },
		Owner:    x.owners.Of,
		Limits:   readLimitsOf,
		Overhead: x.overhead,
		Took: func(d time.Duration) {
			x.metrics.Took(d)
			kept = giveBackMemory(kept)
		},
		Log: x.log,
	})
	x.metrics = metrics.New(metrics.Options{
		Node: x.options.node, State: x.watcher.State, Sources: x.owners.Sources, Build: buildOf(),
	})
	x.metrics.Reloaded(true, time.Now())
	return x.tracer.TraceNode(func(cgroup string) bool {
		return x.settings.Load().Filter.Admits(cgroup, x.owners.Of(cgroup))
	})
}

// run watches and serves until a signal or an error ends it.
func (x *exporter) run(listener net.Listener, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() { x.watcher.Run(ctx) })
	defer func() { cancel(); working.Wait() }()
	server := x.server(ctx)
	served := make(chan error, 1)
	go func() {
		served <- toolkit.Serve(listener, server, &toolkit.FlagConfig{WebConfigFile: &x.options.webConfig},
			slog.New(slog.DiscardHandler))
	}()
	x.log.Info("watching this machine", "node", x.options.node, "listen", listener.Addr().String())
	for {
		select {
		case err := <-served:
			return fmt.Errorf("serve at %s: %w", listener.Addr(), err)
		case received := <-signals:
			if received == syscall.SIGHUP {
				x.reload()
				continue
			}
			x.log.Info("ending", "signal", received.String())
			cancel() // those who wait for a snapshot wait no longer
			return x.shutDown(server)
		}
	}
}

// Time limits of the server. Replies that wait on purpose set their own.
const (
	headerTimeout = 10 * time.Second
	replyTimeout  = time.Minute
	idleTimeout   = 5 * time.Minute
	endTimeout    = 5 * time.Second
)

func (x *exporter) server(ctx context.Context) *http.Server {
	return &http.Server{
		Handler: web.New(web.Options{
			Watcher: x.watcher, Metrics: x.metrics, Sources: x.owners.Sources,
			Node: x.options.node, Version: buildOf().Version,
		}),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: replyTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 64 << 10,
		ErrorLog:       slog.NewLogLogger(unprobed{x.log.Handler()}, slog.LevelWarn),
	}
}

// unprobed drops what package http says of who connects and hangs up at once, as
// probes of a TCP port do every few seconds.
type unprobed struct{ slog.Handler }

func (u unprobed) Handle(ctx context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "http: TLS handshake error from ") && strings.HasSuffix(r.Message, ": EOF") {
		return nil
	}
	return u.Handler.Handle(ctx, r)
}

// shutDown lets replies end that were begun.
func (x *exporter) shutDown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("end open connections: %w", err), server.Close())
	}
	return nil
}

// reload reads the configuration again. A bad one changes nothing.
func (x *exporter) reload() {
	settings, err := x.options.settings()
	x.metrics.Reloaded(err == nil, time.Now())
	if err != nil {
		x.log.Error("the configuration was not reloaded, the one before stays in force", "err", err)
		return
	}
	x.settings.Store(&settings)
	x.log.Info("the configuration was reloaded", "file", x.options.config)
}

// largeHeap is from which heap on what a snapshot leaves behind is given back.
const largeHeap = 48 << 20

// giveBackMemory collects what only the snapshot needed, if that may be much, and
// gives the memory back for the time until the next one. A collection costs as much as
// there is to keep: kept is what there was after the last one, and it is worth another
// when there is as much as a quarter more.
func giveBackMemory(kept uint64) uint64 {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.NextGC <= largeHeap || m.HeapAlloc < kept+kept/4 {
		return kept
	}
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// overhead is what tracing has cost so far.
func (x *exporter) overhead() export.Overhead { return overheadOf(x.tracer.Costs()) }

// readLimitsOf reads what bounds some processes, by pid.
func readLimitsOf(processes []tracer.Process) (map[int][]limit.Limit, error) {
	owners := make(map[int]tracer.Process, len(processes))
	for _, p := range processes {
		owners[p.PID] = p
	}
	return readLimits(owners)
}

// version is that of the module that was built.
func version() string { return buildOf().Version }

// buildOf tells what was built.
func buildOf() metrics.Build {
	b := metrics.Build{Version: "unknown", Revision: "unknown", GoVersion: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	b.Version = info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Revision = s.Value
		}
	}
	return b
}
