// Command leaks starts goroutines that wait, and goes on until its standard input ends.
// Nothing in the program leads to what those wait for that began at a function called
// leak…; nor for those called lock…, of which the runtime tells that only since Go 1.26.
// Those called keep… something leads to, though nothing wakes them here. It prints how many
// there will be.
//
// For each byte on its standard input it has Go's own goroutineleak profile look for leaks,
// where it has been built with that, and prints a line when that is done.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
)

// each is how often each way to wait is begun.
const each = 4

func main() {
	n := 0
	for range each {
		n += begin(leaks) + begin(locks) + begin(keeps)
	}
	clobber(100)
	fmt.Println("ready", n)
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadByte(); err != nil {
			held.use()
			return
		}
		if p := pprof.Lookup("goroutineleak"); p != nil {
			if err := p.WriteTo(io.Discard, 1); err != nil {
				panic(err)
			}
		}
		fmt.Println("looked", n)
	}
}

// begin starts goroutines, and returns how many.
//
//go:noinline
func begin(some []func() int) (n int) {
	for _, f := range some {
		n += f()
	}
	return n
}

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
