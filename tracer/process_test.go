package tracer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestIdentify takes a process for ended only where /proc says so: what cannot be read for
// another reason says nothing of it.
func TestIdentify(t *testing.T) {
	zeros := func(n int) string { return strings.Repeat(" 0", n) }
	stat := func(content string) func(dir string) error {
		return func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "stat"), []byte(content), 0o644)
		}
	}
	tests := map[string]struct {
		do         func(dir string) error
		known      uint64 // its start
		fail, done bool
	}{
		"it runs":                  {do: func(string) error { return nil }},
		"it runs and was known":    {do: stat("7 (nginx) S" + zeros(18) + " 42" + zeros(30)), known: 42},
		"another has its pid":      {do: func(string) error { return nil }, known: 42, fail: true, done: true},
		"it has ended":             {do: os.RemoveAll, fail: true, done: true},
		"a zombie":                 {do: stat("7 (nginx) Z" + zeros(49)), fail: true, done: true},
		"its file cannot be read":  {do: func(dir string) error { return errors.Join(os.Remove(dir+"/stat"), os.Mkdir(dir+"/stat", 0o755)) }, fail: true},
		"its file cannot be known": {do: stat("7"), fail: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			proc := fakeProcIn(t, root, "")
			if err := tt.do(filepath.Join(root, "7")); err != nil {
				t.Fatal(err)
			}
			p := &process{pid: 7, start: tt.known}
			if err := p.identify(proc); (err != nil) != tt.fail || errors.Is(err, os.ErrProcessDone) != tt.done {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestTooManyFiles has no descriptor left for /proc: nobody is taken for ended.
func TestTooManyFiles(t *testing.T) {
	p := &process{pid: os.Getpid()}
	if err := p.lookUp(); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 0, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	err := p.lookUp()
	if restored := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); restored != nil {
		t.Fatal(restored)
	}
	if !errors.Is(err, unix.EMFILE) || errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v, want %v", err, unix.EMFILE)
	}
}

// TestNobody has no process of a pid.
func TestNobody(t *testing.T) {
	const most = 1 << 22 // PID_MAX_LIMIT
	p := &process{pid: most}
	if err := p.lookUp(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v", err)
	}
}
