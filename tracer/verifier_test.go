package tracer

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"unsafe"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// TestHungVerification has memory that does not come to a verification be read by looks,
// and by the next verification.
func TestHungVerification(t *testing.T) {
	page, _ := unserved(t)
	looks, v := newMemory(), newVerifier()
	defer looks.close()
	defer v.close()
	self, word := os.Getpid(), make([]byte, 8)
	own := func(p []byte) unix.RemoteIovec {
		return unix.RemoteIovec{Base: uintptr(unsafe.Pointer(unsafe.SliceData(p))), Len: 8}
	}
	if _, err := v.memory.read(self, self, word, own(page)); !errors.Is(err, errHung) {
		t.Fatalf("a page that nobody provides: %v", err)
	}
	for _, m := range []*memory{looks, v.memory} {
		if hung := m.forget(self); hung != (m == v.memory) {
			t.Errorf("hung: %t", hung)
		}
		if n, err := m.read(self, self, word, own([]byte("a word.."))); n != 8 || err != nil {
			t.Errorf("read %d, %v", n, err)
		}
	}
}

// TestGoneProcess has one that has ended, as a zombie and after that, be told from others.
func TestGoneProcess(t *testing.T) {
	v := newVerifier()
	defer v.close()
	cmd := exec.Command("cat")
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil { // its stack is there a moment after Start has returned
		_, err = input.Write([]byte("."))
	}
	if err == nil {
		_, err = output.Read(make([]byte, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	proc, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := proc.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if v.gone(pid, stat.StartStack) {
		t.Error("it is gone before it has ended")
	}
	if !v.gone(pid, stat.StartStack-4096) {
		t.Error("the image before this one is not gone")
	}
	_ = input.Close()
	if err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if !v.gone(pid, stat.StartStack) {
		t.Error("a zombie is not gone")
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !v.gone(pid, stat.StartStack) {
		t.Error("it is not gone after it has ended")
	}
}
