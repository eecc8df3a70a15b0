// Command moving has goroutines that wait for channels, as many as its first argument says.
// All but every tenth of the channels are known to the program, by pointers that it never
// leaves where they are: it copies maps, rotates lists, and hands channels on, from heap to
// stack and back. Its second argument is how much it has on its heap besides, in MB. It goes
// on until its standard input ends.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// begun is until all goroutines that are to wait have begun.
var begun sync.WaitGroup

//go:noinline
func leakWait(c chan int) {
	begun.Done()
	<-c
}

//go:noinline
func keepWait(c chan int) {
	begun.Done()
	<-c
}

type node struct {
	next *node
	c    chan int
}

// What the program knows: byID is copied all the time, list is rotated, and in moves what
// two goroutines hand to each other.
var (
	byID  map[int]chan int
	list  *node
	moves = make(chan chan int, 16)
	heap  [][]*block
)

// copying replaces the map by a copy, in memory that is new.
func copying() {
	for {
		next := make(map[int]chan int, len(byID))
		for id, c := range byID {
			next[id] = c
		}
		byID = next
		time.Sleep(5 * time.Millisecond)
	}
}

// rotating puts the first of the list behind the last, as a new node.
func rotating() {
	last := list
	for last.next != nil {
		last = last.next
	}
	for n := 0; ; n++ {
		first := list
		last.next = &node{c: first.c}
		last, list = last.next, first.next
		if n%1000 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

// handing receives channels, has them on its stack for a while, and sends them on.
func handing() {
	for {
		c := <-moves
		deeper(20, c)
		moves <- c
	}
}

//go:noinline
func deeper(depth int, c chan int) int {
	if depth == 0 {
		runtime.Gosched()
		return cap(c)
	}
	return deeper(depth-1, c) + cap(c)
}

// block is 240 bytes.
type block struct {
	before *block
	rest   [29]uint64
}

// fill makes a heap of blocks that point to each other, of so many MB.
func fill(megabytes int) {
	const each = 1 << 12
	for range megabytes * 1e6 / (each * 248) {
		some := make([]*block, each)
		for i := range some {
			some[i] = &block{before: some[max(0, i-1)]}
		}
		heap = append(heap, some)
	}
}

func number(i int) int {
	n, err := strconv.Atoi(os.Args[i])
	if err != nil {
		panic(err)
	}
	return n
}

func main() {
	n := number(1)
	fill(number(2))
	byID = make(map[int]chan int)
	begun.Add(n)
	for i := range n {
		c := make(chan int)
		switch {
		case i%10 == 0:
			go leakWait(c)
			continue
		case i%3 == 0:
			byID[i] = c
		case i%3 == 1:
			list = &node{list, c}
		case len(moves) < cap(moves):
			moves <- c
		default:
			byID[i] = c
		}
		go keepWait(c)
	}
	if len(os.Args) == 3 {
		go copying()
		go rotating()
		for range 4 {
			go handing()
		}
	}
	begun.Wait()
	fmt.Println("ready", n)
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}
