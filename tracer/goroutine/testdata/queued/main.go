// Command queued has objects that are garbage, and for each a goroutine which waits that the
// finalizer of it, or its cleanup, as the first argument says, sends it something. Those take
// a fifth of a second each, one after the other. It goes on until its standard input ends.
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

type object struct{ c chan int }

// ways are how it is told that an object is garbage.
var ways = map[string]func(*object){
	"finalizers": func(o *object) { runtime.SetFinalizer(o, func(o *object) { release(o.c) }) },
}

const objects = 200

func main() {
	begin(ways[os.Args[1]])
	clobber(100)
	runtime.GC()
	fmt.Println("ready", objects)
	_, _ = os.Stdin.Read(make([]byte, 1))
}

//go:noinline
func begin(on func(*object)) {
	for range objects {
		o := &object{make(chan int)}
		on(o)
		go keepReleased(o.c)
	}
}

func release(c chan int) {
	time.Sleep(200 * time.Millisecond)
	c <- 1
}

//go:noinline
func keepReleased(c chan int) { <-c }

// clobber overwrites what was on the stack while they were started.
//
//go:noinline
func clobber(depth int) (sum int) {
	var room [64]int
	for i := range room {
		room[i] = depth
	}
	if depth > 0 {
		sum = clobber(depth - 1)
	}
	return sum + room[depth%64]
}
