package main

import "sync"

// locks are those that wait for locks that nobody gives back.
var locks = []func() int{doubleLock, missingUnlock, missingDone, missedSignal, readAgain, opposite, lockAndChannel}

type account struct {
	mu      sync.Mutex
	balance int
}

// doubleLock: a method that locks calls another one that does.
func doubleLock() int {
	go lockTwice(new(account))
	return 1
}

//go:noinline
func lockTwice(a *account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deposit()
}

//go:noinline
func (a *account) deposit() {
	a.mu.Lock()
	a.balance++
	a.mu.Unlock()
}

// missingUnlock: one way out of a function does not unlock.
func missingUnlock() int {
	a := new(account)
	a.mu.Lock()
	go lockAfter(a)
	return 1
}

//go:noinline
func lockAfter(a *account) {
	a.mu.Lock()
	a.balance++
}

// missingDone: one of three workers does not say that it is done.
func missingDone() int {
	group := new(sync.WaitGroup)
	group.Add(3)
	go lockGroup(group)
	for i := range 3 {
		go func() {
			if i > 0 {
				group.Done()
			}
		}()
	}
	return 1
}

//go:noinline
func lockGroup(group *sync.WaitGroup) { group.Wait() }

// missedSignal: the signal came before the wait.
func missedSignal() int {
	c := sync.NewCond(new(sync.Mutex))
	c.Signal()
	go lockCond(c)
	return 1
}

//go:noinline
func lockCond(c *sync.Cond) {
	c.L.Lock()
	c.Wait()
	c.L.Unlock()
}

// readAgain: a reader reads again while a writer waits for it.
func readAgain() int {
	rw, reading, waiting := new(sync.RWMutex), make(chan bool), make(chan bool)
	go lockReader(rw, reading, waiting)
	<-reading
	go lockWriter(rw)
	for rw.TryRLock() { // until the writer waits
		rw.RUnlock()
	}
	waiting <- true
	return 2
}

//go:noinline
func lockReader(rw *sync.RWMutex, reading, waiting chan bool) {
	rw.RLock()
	reading <- true
	<-waiting
	rw.RLock()
	rw.RUnlock()
	rw.RUnlock()
}

//go:noinline
func lockWriter(rw *sync.RWMutex) {
	rw.Lock()
	rw.Unlock()
}

// opposite: two locks, in two orders.
func opposite() int {
	a, b := new(account), new(account)
	var both sync.WaitGroup
	both.Add(2)
	go lockBoth(a, b, &both)
	go lockBoth(b, a, &both)
	both.Wait()
	return 2
}

//go:noinline
func lockBoth(a, b *account, both *sync.WaitGroup) {
	a.mu.Lock()
	both.Done()
	both.Wait()
	b.mu.Lock()
	b.balance++
}

// lockAndChannel: one sends while it holds the lock that the receiver needs first.
func lockAndChannel() int {
	a, c, locked := new(account), make(chan int), make(chan bool)
	go lockAndSend(a, c, locked)
	<-locked
	go lockAndReceive(a, c)
	return 2
}

//go:noinline
func lockAndSend(a *account, c chan int, locked chan bool) {
	a.mu.Lock()
	locked <- true
	c <- 1
	a.mu.Unlock()
}

//go:noinline
func lockAndReceive(a *account, c chan int) {
	a.mu.Lock()
	a.balance += <-c
	a.mu.Unlock()
}
