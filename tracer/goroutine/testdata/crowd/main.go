// Command crowd has as many goroutines as its argument says that wait for good, at
// several depths, and many others that begin, grow, shrink, wait and end all the time.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
)

var never = make(chan int)

//go:noinline
func waitAt(depth int, c chan int) int {
	var room [128]byte
	room[depth%128] = 1
	if depth == 0 {
		return <-c + int(room[0])
	}
	return waitAt(depth-1, c) + int(room[1])
}

//go:noinline
func parked(depth int) { waitAt(depth, never) }

//go:noinline
func mortal(depth int, c chan int, done *sync.WaitGroup) {
	defer done.Done()
	waitAt(depth/2, c)
	waitAt(depth, c)
}

// churn starts goroutines, wakes them, and waits for their end.
func churn() {
	for n := 0; ; n++ {
		var done sync.WaitGroup
		c := make(chan int)
		const some = 256
		for i := range some {
			done.Add(1)
			go mortal((n*7+i*13)%100, c, &done)
		}
		for range 2 * some {
			c <- 1
		}
		done.Wait()
	}
}

func pong(c, d chan int) {
	for {
		d <- <-c
	}
}

func ping(c, d chan int) {
	for {
		c <- 1
		<-d
	}
}

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	var begun sync.WaitGroup
	for i := range n {
		begun.Add(1)
		go func() { begun.Done(); parked(i % 4) }()
	}
	begun.Wait()
	if len(os.Args) > 2 {
		for range 4 {
			c, d := make(chan int), make(chan int)
			go ping(c, d)
			go pong(c, d)
			go churn()
		}
		go func() {
			for { // stacks shrink
				runtime.GC()
			}
		}()
	}
	fmt.Println("ready", n)
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}
