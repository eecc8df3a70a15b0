// This file takes the place of main.go in the test data of Go's own goroutineleak profile
// ($GOROOT/src/runtime/testdata/testgoroutineleakprofile, and goker below it): it runs one
// of the programs there, and stays. For each byte on its standard input it has the profile
// look for leaks, and prints a line when that is done.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
)

const yieldCount = 10

var programs = make(map[string]func())

func register(name string, f func()) { programs[name] = f }

// endsItself is one that ends the process, and so cannot be looked at.
const endsItself = "SelectNoCasesMain"

func main() {
	if len(os.Args) == 1 {
		delete(programs, endsItself)
		for name := range programs {
			fmt.Println(name)
		}
		return
	}
	out := os.Stdout
	os.Stdout, _ = os.OpenFile(os.DevNull, os.O_WRONLY, 0) // for what the programs print
	run(programs[os.Args[1]])
	fmt.Fprintln(out, "done", os.Getpid())
	in := bufio.NewReader(os.Stdin)
	for {
		if _, err := in.ReadByte(); err != nil {
			os.Exit(0)
		}
		if err := pprof.Lookup("goroutineleak").WriteTo(io.Discard, 1); err != nil {
			panic(err)
		}
		fmt.Fprintln(out, "looked", os.Getpid())
	}
}

// run runs a program, and waits for what it began: what leaks has no end to wait for.
//
//go:noinline
func run(f func()) {
	f()
	clobber(100)
	time.Sleep(time.Second)
	for profiling() {
		time.Sleep(time.Second)
	}
}

// profiling tells whether a goroutine takes a profile: SpawnGC has not waited for all of its.
func profiling() bool {
	stacks := make([]byte, 1<<20)
	return bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("runtime/pprof.(*Profile).WriteTo"))
}

// clobber overwrites what was on the stack.
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
