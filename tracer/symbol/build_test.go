package symbol

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// run runs a command that must succeed and returns what it printed.
func run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%s %q: %v\n%s", name, args, err, exit.Stderr)
		}
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}

// execute runs a program that was built for the architecture of the tests as `go
// run` does: by an emulator if there is one in the PATH.
func execute(t testing.TB, path string) string {
	t.Helper()
	emulator, err := exec.LookPath("go_" + runtime.GOOS + "_" + runtime.GOARCH + "_exec")
	if err != nil {
		return run(t, ".", path)
	}
	return run(t, ".", emulator, path)
}

// write makes a file in dir.
func write(t testing.TB, dir, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// open opens a file for the test. Debug files are searched below root.
func open(t testing.TB, path, root string) *File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(f, path, root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rustc is not in everyone's PATH.
func rustc(t testing.TB) string {
	if p, err := exec.LookPath("rustc"); err == nil {
		return p
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(home, ".cargo", "bin", "rustc")
}
