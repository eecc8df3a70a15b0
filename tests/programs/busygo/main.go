// Command busy-go is a service with N goroutines that wait, at three places, which does
// fixed work beside them on as many processors as there are. `work N` makes N operations
// in all, each of which passes a message to another goroutine and back, allocates, and
// writes to a map, and prints what one took, like bench.c:
//
//	{"ns_per_op":700.1,"cpu_ns_per_op":1100.3}
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"
)

//go:noinline
func receive(c <-chan int) { <-c }

//go:noinline
func send(c chan<- int) { c <- 0 }

//go:noinline
func choose(a, b <-chan int) {
	select {
	case <-a:
	case <-b:
	}
}

// message is what is allocated for each operation.
type message struct {
	number int
	_      [120]byte
}

// echo gives each message back as another one.
func echo(in <-chan *message, out chan<- *message) {
	for m := range in {
		out <- &message{number: m.number + 1}
	}
	close(out)
}

// work makes n operations.
func work(n int) {
	there, back := make(chan *message), make(chan *message)
	go echo(there, back)
	last := make(map[int]*message)
	for i := range n {
		there <- &message{number: i}
		m := <-back
		last[m.number%1024] = m
	}
	close(there)
	<-back
}

// workAll makes n operations on all processors.
func workAll(n int) {
	var working sync.WaitGroup
	procs := runtime.GOMAXPROCS(0)
	for range procs {
		working.Go(func() { work(n/procs + 1) })
	}
	working.Wait()
}

func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	waiting, err := strconv.Atoi(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	in, out, other := make(chan int), make(chan int), make(chan int)
	for i := range waiting {
		switch i % 3 {
		case 0:
			go receive(in)
		case 1:
			go send(out)
		case 2:
			go choose(in, other)
		}
	}
	fmt.Println("ready", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var n int
		if _, err := fmt.Sscanf(lines.Text(), "work %d", &n); err != nil {
			log.Fatalf("not a command: %q", lines.Text())
		}
		began, used := time.Now(), cpu()
		workAll(n)
		each := func(d time.Duration) float64 { return float64(d) / float64(n) }
		line, err := json.Marshal(map[string]float64{"ns_per_op": each(time.Since(began)), "cpu_ns_per_op": each(cpu() - used)})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(line))
	}
	runtime.KeepAlive(other)
}
