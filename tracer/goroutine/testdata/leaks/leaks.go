package main

import (
	"context"
	"errors"
)

// leaks are those whose wait for channels nothing ends. Each returns how many it starts.
var leaks = []func() int{givenUp, firstError, neverClosed, forgottenDone, twoWays, earlyReturn, daisy, generatorLeft, nilChannel, noCases, sendToRestarted}

// givenUp: the one who asked has given up when the answer comes.
func givenUp() int {
	ctx, cancel := context.WithCancel(context.Background())
	answer := make(chan int)
	go leakAnswer(ctx, answer)
	cancel()
	return 1
}

//go:noinline
func leakAnswer(ctx context.Context, answer chan int) {
	<-ctx.Done()
	answer <- 1
}

// firstError: of three results the first is read.
func firstError() int {
	results := make(chan error)
	for range 3 {
		go leakResult(results)
	}
	<-results
	return 2
}

//go:noinline
func leakResult(results chan error) { results <- errors.New("refused") }

// neverClosed: workers range over a channel that nobody closes.
func neverClosed() int {
	jobs, done := make(chan int), make(chan bool)
	for range 2 {
		go leakWorker(jobs, done)
	}
	for range 4 {
		jobs <- 1
		<-done
	}
	return 2
}

//go:noinline
func leakWorker(jobs chan int, done chan bool) {
	for range jobs {
		done <- true
	}
}

type agent struct{ stop, stopped chan struct{} }

// forgottenDone: an object with a stop method that is not called.
func forgottenDone() int {
	a := &agent{make(chan struct{}), make(chan struct{})}
	go a.leakRun()
	return 1
}

//go:noinline
func (a *agent) leakRun() {
	select {
	case <-a.stop:
	case a.stopped <- struct{}{}:
	}
}

// twoWays: two that wait for each other.
func twoWays() int {
	a, b := make(chan int), make(chan int)
	go leakExchange(a, b)
	go leakExchange(b, a)
	return 2
}

//go:noinline
func leakExchange(from, to chan int) { to <- 1 + <-from }

// earlyReturn: an error on the way to the receive.
func earlyReturn() int {
	result := make(chan int)
	go leakCompute(result)
	if err := errors.New("no such user"); err != nil {
		return 1
	}
	return <-result
}

//go:noinline
func leakCompute(result chan int) { result <- 42 }

// daisy: each waits for the one before, and the first for nothing.
func daisy() int {
	first := make(chan int)
	from := first
	for range 20 {
		to := make(chan int)
		go leakPass(from, to)
		from = to
	}
	return 20
}

//go:noinline
func leakPass(from, to chan int) { to <- <-from }

// generatorLeft: a generator of which only the first values are taken.
func generatorLeft() int {
	numbers := make(chan int, 2)
	go leakGenerate(numbers)
	_ = <-numbers + <-numbers
	return 1
}

//go:noinline
func leakGenerate(numbers chan<- int) {
	for i := 0; ; i++ {
		numbers <- i
	}
}

func nilChannel() int {
	go leakNil(nil)
	return 1
}

//go:noinline
func leakNil(c chan int) { <-c }

func noCases() int {
	go leakForever()
	return 1
}

//go:noinline
func leakForever() { select {} }

// sendToRestarted: the channel of a watcher that was replaced.
func sendToRestarted() int {
	held.watcher = make(chan int)
	go leakNotify(held.watcher)
	held.watcher = nil
	return 1
}

//go:noinline
func leakNotify(to chan<- int) { to <- 1 }
