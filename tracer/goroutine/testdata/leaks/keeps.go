package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// keeps are those that something may still wake.
var keeps = []func() int{
	global, registered, inMap, contextOfMain, ticking, timer, afterFunc, pool, condPool,
	onStack, byFinalizer, byFinalized, inPool, signals, relayed, inClosure, inInterface,
}

var held registry

// registry is what a program keeps of its goroutines.
type registry struct {
	watcher   chan int
	listeners []chan int
	byName    map[string]*agent
	conds     []*sync.Cond
	closures  []func()
	any       []any
	finalized int
}

func (r *registry) use() {
	fmt.Fprintln(os.Stderr, len(r.listeners), len(r.byName), len(r.conds), len(r.closures), len(r.any), r.finalized)
}

var events = make(chan int)

func global() int {
	go keepGlobal()
	return 1
}

//go:noinline
func keepGlobal() { <-events }

func registered() int {
	c := make(chan int)
	held.listeners = append(held.listeners, c)
	go keepListener(c)
	return 1
}

//go:noinline
func keepListener(c chan int) { <-c }

func inMap() int {
	if held.byName == nil {
		held.byName = make(map[string]*agent)
	}
	a := &agent{stop: make(chan struct{})}
	held.byName[fmt.Sprint("agent", len(held.byName))] = a
	go keepAgent(a)
	return 1
}

//go:noinline
func keepAgent(a *agent) { <-a.stop }

var running, _ = context.WithCancel(context.Background())

func contextOfMain() int {
	ctx, cancel := context.WithCancel(running)
	_ = cancel // running has it
	go keepContext(ctx)
	return 1
}

//go:noinline
func keepContext(ctx context.Context) { <-ctx.Done() }

func ticking() int {
	go keepTicking(time.NewTicker(time.Hour))
	return 1
}

//go:noinline
func keepTicking(t *time.Ticker) {
	for range t.C {
	}
}

func timer() int {
	go keepTimer()
	return 1
}

//go:noinline
func keepTimer() { <-time.After(time.Hour) }

func afterFunc() int {
	c := make(chan int)
	time.AfterFunc(time.Hour, func() { close(c) })
	go keepAfter(c)
	return 1
}

//go:noinline
func keepAfter(c chan int) { <-c }

var jobs = make(chan func())

// pool is workers without work.
func pool() int {
	for range 3 {
		go keepWorker()
	}
	return 3
}

//go:noinline
func keepWorker() {
	for job := range jobs {
		job()
	}
}

// condPool is workers that wait for a signal that comes when there is work.
func condPool() int {
	c := sync.NewCond(new(sync.Mutex))
	held.conds = append(held.conds, c)
	go keepCond(c)
	return 1
}

//go:noinline
func keepCond(c *sync.Cond) {
	c.L.Lock()
	c.Wait()
	c.L.Unlock()
}

// onStack: only another goroutine, which sleeps, knows the channel.
func onStack() int {
	c := make(chan int)
	go keepOnStack(c)
	go keepAsleep(c)
	return 2
}

//go:noinline
func keepOnStack(c chan int) { <-c }

//go:noinline
func keepAsleep(c chan int) {
	time.Sleep(time.Hour)
	c <- 1
}

type guarded struct{ released chan int }

// byFinalizer: only the finalizer of an object knows the channel.
func byFinalizer() int {
	g, c := new(guarded), make(chan int)
	runtime.SetFinalizer(g, func(*guarded) { held.finalized++; c <- 1 })
	held.any = append(held.any, g)
	go keepFinalized(c)
	return 1
}

//go:noinline
func keepFinalized(c chan int) { <-c }

// byFinalized: only an object knows the channel that is garbage, and that its finalizer will
// have.
func byFinalized() int {
	g := &guarded{make(chan int)}
	runtime.SetFinalizer(g, func(g *guarded) { g.released <- 1 })
	go keepOwned(g.released)
	return 1
}

//go:noinline
func keepOwned(c chan int) { <-c }

var agents sync.Pool

func inPool() int {
	a := &agent{stop: make(chan struct{})}
	held.any = append(held.any, a)
	agents.Put(a)
	go keepPooled(a)
	return 1
}

//go:noinline
func keepPooled(a *agent) { <-a.stop }

func signals() int {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	go keepSignal(c)
	return 1
}

//go:noinline
func keepSignal(c chan os.Signal) { <-c }

// relayed: the channel is known by one that waits for another that is known.
func relayed() int {
	first, second := make(chan int), make(chan int)
	held.listeners = append(held.listeners, first)
	go keepRelay(first, second)
	go keepRelayed(second)
	return 2
}

//go:noinline
func keepRelay(from, to chan int) { to <- <-from }

//go:noinline
func keepRelayed(c chan int) { <-c }

func inClosure() int {
	c := make(chan int)
	held.closures = append(held.closures, func() { close(c) })
	go keepClosure(c)
	return 1
}

//go:noinline
func keepClosure(c chan int) { <-c }

func inInterface() int {
	c := make(chan int)
	held.any = append(held.any, struct{ at *chan int }{&c})
	go keepInterface(&c)
	return 1
}

//go:noinline
func keepInterface(c *chan int) { <-*c }
