//go:build go1.24

package main

import "weak"

func init() { keeps = append(keeps, byWeak, lockByWeak) }

// byWeak: only a weak pointer leads to the channel, which any part of the program may
// follow until the next round of the garbage collector.
func byWeak() int {
	g := &guarded{make(chan int)}
	held.any = append(held.any, weak.Make(g))
	go keepWeak(g.released)
	return 1
}

//go:noinline
func keepWeak(c chan int) { <-c }

// lockByWeak: only a weak pointer leads to the lock, in an object without pointers.
func lockByWeak() int {
	a := new(account)
	a.mu.Lock()
	held.any = append(held.any, weak.Make(a))
	go keepLock(a)
	return 1
}

//go:noinline
func keepLock(a *account) {
	a.mu.Lock()
	a.balance++
}
