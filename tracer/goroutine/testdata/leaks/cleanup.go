//go:build go1.24

package main

import "runtime"

func init() { keeps = append(keeps, byCleanup) }

// byCleanup: only the cleanup of an object knows the channel.
func byCleanup() int {
	g, c := new(guarded), make(chan int)
	runtime.AddCleanup(g, func(c chan int) { c <- 1 }, c)
	held.any = append(held.any, g)
	go keepCleaned(c)
	return 1
}

//go:noinline
func keepCleaned(c chan int) { <-c }
