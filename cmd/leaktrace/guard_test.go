package main

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is said of a crash may quote the target, and is not to be obeyed.
func TestRestoreEscapes(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	long := strings.Repeat("a", 1<<17)
	if printable(long+"\nmain") != long+"\nmain\n" {
		t.Error("a long line, and what comes after, is lost")
	}
	restore(write, new(unix.Termios), "panic: \x1b]0;owned\a\n\tmain.go:7\xff\n")
	if err := write.Close(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4096)
	n, err := read.Read(got)
	if err != nil {
		t.Fatal(err)
	}
	said, restored := strings.CutPrefix(string(got[:n]), restoreScreen)
	if want := "panic: \\x1b]0;owned\\x07\n    main.go:7\\xff\n"; !restored || said != want {
		t.Errorf("%q, want %q", said, want)
	}
}
