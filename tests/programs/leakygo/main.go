// Command leaky-go is leaky.c in Go, for the kinds a Go program has: zombie and
// close-wait. The protocol and the arguments are the same. It prints:
//
//	{"zombies":N,"close_wait":N,"reaped":N,"closed":N,"finished":N,"zombie_pids":[..],"ports":[..]}
//
// A third kind, `thread`, ends threads of the runtime by main.endThread.
//
// main.main > main.serveRequest > main.refreshCache, then, to blame:
// main.leakChild (exec.Command without Wait), main.leakSocket (net.Dial without
// Close); and, not to blame: main.reapChild, main.closeSocket.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// Linux constants that package syscall lacks.
const (
	pPid         = 1
	pollRdHup    = 0x2000
	tcpCloseWait = 8
)

type truth struct {
	Zombies    int   `json:"zombies"`
	CloseWait  int   `json:"close_wait"`
	Reaped     int   `json:"reaped"`
	Closed     int   `json:"closed"`
	Finished   int   `json:"finished"`
	ZombiePids []int `json:"zombie_pids"`
	Ports      []int `json:"ports"`
}

var (
	done     = truth{ZombiePids: []int{}, Ports: []int{}}
	listener net.Listener
	// Reachable, so that no finalizer closes them: a leak, not garbage.
	connections []net.Conn
	children    []*exec.Cmd
)

// The main goroutine keeps the main thread, which the runtime never ends.
func init() { runtime.LockOSThread() }

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// awaitExit returns when the child has exited, and leaves it unreaped.
func awaitExit(pid int) {
	var info [128]byte
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pPid, uintptr(pid),
			uintptr(unsafe.Pointer(&info)), syscall.WEXITED|syscall.WNOWAIT, 0, 0)
		if errno == 0 {
			return
		}
		if errno != syscall.EINTR {
			must(errno)
		}
	}
}

//go:noinline
func leakChild() {
	child := exec.Command("/bin/true")
	must(child.Start())
	awaitExit(child.Process.Pid)
	children = append(children, child)
	done.Zombies++
	done.ZombiePids = append(done.ZombiePids, child.Process.Pid)
}

//go:noinline
func reapChild() {
	child := exec.Command("/bin/true")
	must(child.Start())
	must(child.Wait())
	done.Reaped++
}

// awaitCloseWait reads nothing, so the client has not seen the EOF.
func awaitCloseWait(conn net.Conn) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	must(err)
	must(raw.Control(func(fd uintptr) {
		hangup := struct {
			fd              int32
			events, revents int16
		}{int32(fd), pollRdHup, 0}
		for state := byte(0); state != tcpCloseWait; {
			// No timeout; EINTR (the scheduler's own signals) just asks again.
			_, _, _ = syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&hangup)), 1, 0, 0, 0, 0)
			// The state is the first byte of struct tcp_info.
			size := uint32(1)
			_, _, errno := syscall.Syscall6(syscall.SYS_GETSOCKOPT, fd, syscall.IPPROTO_TCP,
				syscall.TCP_INFO, uintptr(unsafe.Pointer(&state)), uintptr(unsafe.Pointer(&size)), 0)
			if errno != 0 {
				must(errno)
			}
		}
	}))
}

//go:noinline
func hangUpOn(conn net.Conn) {
	accepted, err := listener.Accept()
	must(err)
	must(accepted.Close())
	awaitCloseWait(conn)
}

//go:noinline
func leakSocket() {
	conn, err := net.Dial("tcp", listener.Addr().String())
	must(err)
	hangUpOn(conn)
	connections = append(connections, conn)
	done.CloseWait++
	done.Ports = append(done.Ports, conn.LocalAddr().(*net.TCPAddr).Port)
}

//go:noinline
func closeSocket() {
	conn, err := net.Dial("tcp", listener.Addr().String())
	must(err)
	hangUpOn(conn)
	must(conn.Close())
	done.Closed++
}

// endThread ends the thread of a goroutine that has locked it, and waits for that.
//
//go:noinline
func endThread() {
	tid := make(chan int)
	go func() {
		runtime.LockOSThread()
		tid <- syscall.Gettid()
	}()
	for path := fmt.Sprintf("/proc/self/task/%d", <-tid); ; runtime.Gosched() {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			break
		}
	}
	done.Finished++
}

//go:noinline
func refreshCache(kind string) {
	switch kind {
	case "zombie":
		leakChild()
		reapChild()
	case "thread":
		endThread()
	case "close-wait":
		leakSocket()
		closeSocket()
	default:
		log.Fatalf("no such kind: %s", kind)
	}
}

//go:noinline
func serveRequest(kind string) {
	refreshCache(kind)
}

func command(line string) (count int) {
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "go" {
		log.Fatalf("unknown command: %q", line)
	}
	if len(words) == 1 {
		return 1
	}
	count, err := strconv.Atoi(words[1])
	must(err)
	return count
}

func main() {
	var err error
	listener, err = net.Listen("tcp4", "127.0.0.1:0")
	must(err)
	fmt.Println("ready", os.Getpid())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		count := command(lines.Text())
		for _, kind := range os.Args[1:] {
			for range count {
				serveRequest(kind)
			}
		}
		line, err := json.Marshal(done)
		must(err)
		fmt.Println(string(line))
	}
	runtime.KeepAlive(connections)
	runtime.KeepAlive(children)
}
