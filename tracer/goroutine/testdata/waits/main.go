// Command waits has goroutines that wait in every way, prints how many it has started, and
// goes on until its standard input ends.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

var (
	never  = make(chan int)
	unread = make(chan int)
	none   chan int
	mutex  sync.Mutex
	rw     sync.RWMutex
	group  sync.WaitGroup
	cond   = sync.NewCond(new(sync.Mutex))
)

func receive() { <-never }

// inlinedStart starts a goroutine where it was inlined.
func inlinedStart(f func()) { go f() }

func inlinedOuter(f func()) { inlinedStart(f) }

func inlinedReceive() { receive() }

type agent struct{ name string }

//go:noinline
func (a *agent) watch(then <-chan int) string { <-then; return a.name }

//go:noinline
func generic[T any](c chan T) (got T) {
	func() { got = <-c }()
	return got
}

//go:noinline
func deep(n int) int {
	var room [64]byte
	room[n%64] = byte(n)
	if n == 0 {
		receive()
	} else {
		n += deep(n - 1)
	}
	return n + int(room[0])
}

//go:noinline
func nested() {
	go func() {
		go receive()
		receive()
	}()
	receive()
}

func selects() {
	select {
	case <-never:
	case unread <- 1:
	case <-time.After(time.Hour):
	}
}

func locked() { mutex.Lock() }

func blocked(fd int) {
	runtime.LockOSThread()
	var one [1]byte
	_, _ = syscall.Read(fd, one[:])
}

func start(fs ...func()) {
	for _, f := range fs {
		go f()
	}
}

func main() {
	mutex.Lock()
	rw.Lock()
	group.Add(1)
	var pipe [2]int
	if err := syscall.Pipe(pipe[:]); err != nil {
		panic(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	const times, each, further = 3, 19, 2 // goroutines that nested starts
	for range times {
		inlinedOuter(inlinedReceive)
		start(
			receive,
			func() { unread <- 1 },
			func() { <-none },
			func() { none <- 1 },
			selects,
			func() { select {} },
			func() { time.Sleep(time.Hour) },
			locked,
			rw.RLock,
			group.Wait,
			func() { cond.L.Lock(); cond.Wait() },
			func() { _, _ = listener.Accept() },
			func() { blocked(pipe[0]) },
			func() { deep(40) },
			func() { generic(make(chan string)) },
			func() { (&agent{"a"}).watch(never) },
			nested,
			inC,
		)
	}
	for range 5 { // and they have grown, and were shrunk
		runtime.GC()
	}
	go untilTold()
	fmt.Println("ready", times*(each+further)+1)
	<-never
}

// untilTold ends the program when its standard input does.
func untilTold() {
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	os.Exit(0)
}
