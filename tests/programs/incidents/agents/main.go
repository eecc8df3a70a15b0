// Command agents is a service that supervises agents. Each restart of an agent starts
// a goroutine that waits for the agent's end, and forgets the one before: nobody will
// ever tell that it has ended. With SECONDS it restarts twenty a second for so long, and
// with SECONDS `kept` it knows all of them still, so that it could tell; without, `go N`
// restarts N agents, and prints:
//
//	{"restarts":N,"goroutines":N}
//
// `exec` prints {} and replaces it by itself, so that it begins anew with `ready`; `exec 1`
// does that from another thread than the first one.
//
// Beside it there is what must not be accused: a pool of workers without work, some of
// which get some now and then, goroutines that sleep, that tick, and that end.
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

type agent struct{ ended chan struct{} }

type supervisor struct {
	agents   map[string]*agent
	restarts int
	keep     bool
	kept     []*agent
}

//go:noinline
func (a *agent) await() { <-a.ended }

//go:noinline
func (s *supervisor) restart(name string) {
	a := &agent{ended: make(chan struct{})}
	s.agents[name] = a // the goroutine of the one before waits for good
	go a.await()       /* to blame */
	if s.keep {
		s.kept = append(s.kept, a)
	}
	s.restarts++
}

//go:noinline
func work(jobs <-chan *sync.WaitGroup) {
	for done := range jobs {
		done.Done()
	}
}

//go:noinline
func sleep() {
	for {
		time.Sleep(time.Hour)
	}
}

//go:noinline
func tick() {
	for range time.Tick(10 * time.Millisecond) {
	}
}

// replace does not return: the program begins anew.
func replace() {
	fmt.Println("{}")
	path, err := os.Executable()
	if err == nil {
		err = syscall.Exec(path, os.Args, os.Environ())
	}
	log.Fatal(err)
}

// init keeps main on the first thread, and so all others off it.
func init() { runtime.LockOSThread() }

func main() {
	s := &supervisor{agents: make(map[string]*agent)}
	jobs := make(chan *sync.WaitGroup)
	for range 20 {
		go work(jobs)
		go sleep()
		go tick()
	}
	s.keep = len(os.Args) > 2 && os.Args[2] == "kept"
	fmt.Println("ready", os.Getpid())
	if len(os.Args) > 1 {
		seconds, err := strconv.Atoi(os.Args[1])
		if err != nil {
			log.Fatal(err)
		}
		for range 20 * seconds {
			s.restart("agent")
			time.Sleep(time.Second / 20)
		}
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		switch lines.Text() {
		case "exec":
			replace()
		case "exec 1":
			go replace()
			select {}
		}
		var count int
		if _, err := fmt.Sscanf(lines.Text(), "go %d", &count); err != nil {
			log.Fatalf("not a command: %q", lines.Text())
		}
		var done sync.WaitGroup
		for range count {
			s.restart("agent")
			done.Add(1)
			jobs <- &done
		}
		done.Wait()
		out, err := json.Marshal(map[string]any{"restarts": s.restarts, "goroutines": runtime.NumGoroutine()})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(string(out))
	}
}
