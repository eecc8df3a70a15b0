package tracer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What a process puts in place of a file that it has mapped is not waited for, and
// leads nowhere outside its root.
func TestOpenIn(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	root := t.TempDir()
	for _, path := range []string{outside, filepath.Join(root, "file")} {
		if err := os.WriteFile(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(root, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fs := &files{byKey: make(map[fileKey]*file)}
		for name, opens := range map[string]bool{"/file": true, "/fifo": true, "/link": false, "/none": false} {
			f, err := openIn(root, name)
			if (err == nil) != opens {
				t.Errorf("open %s: %v", name, err)
			}
			if err != nil {
				continue
			}
			if _, err := fs.open(f, name, root, nil); err == nil {
				t.Errorf("%s is an ELF file", name)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("a FIFO is waited for")
	}
}
