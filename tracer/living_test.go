package tracer

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// headless in the environment has this executable be a process whose main thread ends.
const headless = "LEAKTRACE_TEST_HEADLESS"

func init() {
	if os.Getenv(headless) == "" {
		return
	}
	go func() {
		word := []byte("any word")
		fmt.Println(uintptr(unsafe.Pointer(unsafe.SliceData(word))))
		_, _ = io.Copy(io.Discard, os.Stdin)
		fmt.Printf("%s\n", word)
		os.Exit(0)
	}()
	// The main thread executes init.
	_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
}

// behead starts a process whose main thread has ended, which has a word at an address.
func behead(t *testing.T) (pid int, address uintptr) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), headless+"=1")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = input.Close()
		_, _ = io.Copy(io.Discard, output)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	if _, err := fmt.Fscanln(bufio.NewReader(output), &address); err != nil {
		t.Fatal(err)
	}
	awaitZombie(t, cmd.Process.Pid)
	return cmd.Process.Pid, address
}

func awaitZombie(t *testing.T, pid int) {
	t.Helper()
	proc, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; {
		stat, err := proc.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if stat.State == "Z" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the main thread of process %d has not ended: %s", pid, stat.State)
		}
	}
}

// A process whose main thread has ended is known by way of the others: its image, and its
// memory.
func TestMainThreadHasEnded(t *testing.T) {
	pid, address := behead(t)
	now := livingThread(pid)
	if now.tid == 0 || now.tid == pid || now.startStack == 0 {
		t.Fatalf("process %d is known by way of thread %d, in the image of %#x", pid, now.tid, now.startStack)
	}
	m := newMemory()
	defer m.close()
	look, word := &processMemory{memory: m, pid: pid}, make([]byte, 8)
	look.begin(time.Minute)
	n, err := look.Read(word, unix.RemoteIovec{Base: address, Len: len(word)})
	if n != len(word) || err != nil || string(word) != "any word" {
		t.Errorf("read %d, %v, %q", n, err, word)
	}
	v := newVerifier()
	defer v.close()
	if v.gone(pid, now.startStack) || !v.gone(pid, now.startStack-4096) {
		t.Error("it is said to be gone, or to have an image that it has not")
	}
}
