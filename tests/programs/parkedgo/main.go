// Command parked-go is parked.c in Go: goroutines that hold a thread each and
// are blocked in a system call. `go N` starts N more of each kind, and prints:
//
//	{"places":[{"chain":["main.readPipe","main.innerReadPipe","main.threadReadPipe"],"tids":[..]},..]}
//
// All of them are blocked by then.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

type place struct {
	Chain  []string `json:"chain"`
	TIDs   []int    `json:"tids"`
	thread func(tid chan<- int)
	call   string // how /proc/PID/task/TID/syscall begins
}

var (
	places = []*place{
		{Chain: []string{"main.readPipe", "main.innerReadPipe", "main.threadReadPipe"}, thread: threadReadPipe, call: fmt.Sprintf("%d 0x", syscall.SYS_READ)},
		{Chain: []string{"main.waitFutex", "main.innerWaitFutex", "main.threadWaitFutex"}, thread: threadWaitFutex, call: fmt.Sprintf("%d %p ", syscall.SYS_FUTEX, &futex)},
		{Chain: []string{"main.sleep", "main.innerSleep", "main.threadSleep"}, thread: threadSleep, call: fmt.Sprintf("%d 0x", syscall.SYS_NANOSLEEP)},
	}
	pipe  [2]int
	futex int32
)

// The main goroutine keeps the main thread, which nobody created: what is
// printed is threads only.
func init() { runtime.LockOSThread() }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

//go:noinline
func readPipe() {
	var one [1]byte
	_, err := syscall.Read(pipe[0], one[:])
	must(err)
}

//go:noinline
func waitFutex() {
	_, _, errno := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(&futex)), 0, 0, 0, 0, 0)
	must(errno)
}

//go:noinline
func sleep() { must(syscall.Nanosleep(&syscall.Timespec{Sec: 1000000}, nil)) }

//go:noinline
func innerReadPipe() { readPipe() }

//go:noinline
func innerWaitFutex() { waitFutex() }

//go:noinline
func innerSleep() { sleep() }

//go:noinline
func threadReadPipe(tid chan<- int) { lock(tid); innerReadPipe() }

//go:noinline
func threadWaitFutex(tid chan<- int) { lock(tid); innerWaitFutex() }

//go:noinline
func threadSleep(tid chan<- int) { lock(tid); innerSleep() }

// lock keeps the goroutine on its thread, and says which that is.
func lock(tid chan<- int) {
	runtime.LockOSThread()
	tid <- syscall.Gettid()
}

// awaitBlocked returns when the kernel shows the system call of a place. That
// the thread is blocked does not do: it may be in a futex of the runtime.
func awaitBlocked(tid int, call string) {
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/syscall", tid))
		must(err)
		if strings.HasPrefix(string(text), call) {
			return
		}
		runtime.Gosched()
	}
}

func main() {
	must(syscall.Pipe(pipe[:]))
	fmt.Println("ready", os.Getpid())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var count int
		if _, err := fmt.Sscanf(lines.Text(), "go %d", &count); err != nil {
			log.Fatalf("not a command: %q", lines.Text())
		}
		for _, p := range places {
			for range count {
				tid := make(chan int)
				go p.thread(tid)
				p.TIDs = append(p.TIDs, <-tid)
				awaitBlocked(p.TIDs[len(p.TIDs)-1], p.call)
			}
		}
		out, err := json.Marshal(map[string]any{"places": places})
		must(err)
		fmt.Println(string(out))
	}
}
