package limit

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// statusSize is more than /proc/PID/status has, but for processes in thousands
// of groups.
const statusSize = 64 << 10

// status is what /proc/PID/status says.
type status struct {
	uid, threads uint64
	// caps is the effective capabilities, in the process's user namespace.
	caps uint64
	// size is the address space in bytes, 0 when the thread has given it up to end.
	size uint64
}

// readStatus reads a status file with one read, by way of a buffer that the
// caller can use again: every process of the host may be read.
func readStatus(path string, buffer []byte) (status, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return status{}, &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer func() { _ = unix.Close(fd) }()
	n, err := unix.Read(fd, buffer)
	if err != nil {
		return status{}, &os.PathError{Op: "read", Path: path, Err: err}
	}
	s, ok := parseStatus(buffer[:n])
	if !ok {
		return status{}, fmt.Errorf("read %s: no Uid, CapEff or Threads in it", path)
	}
	return s, nil
}

// parseStatus fails where something is missing that every process has.
func parseStatus(text []byte) (s status, ok bool) {
	found := 0
	take := func(to *uint64, number string, base int) {
		n, err := strconv.ParseUint(number, base, 64)
		if err == nil {
			*to = n
			found++
		}
	}
	for line := range bytes.Lines(text) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "Uid":
			real, _, _ := strings.Cut(strings.TrimSpace(string(value)), "\t")
			take(&s.uid, real, 10)
		case "Threads":
			take(&s.threads, strings.TrimSpace(string(value)), 10)
		case "CapEff":
			take(&s.caps, strings.TrimSpace(string(value)), 16)
		case "VmSize":
			s.size = kilobytes(string(value))
		}
	}
	return s, found == 3
}

func kilobytes(text string) uint64 {
	n, ok := parseNumber(strings.TrimSuffix(strings.TrimSpace(text), " kB"))
	if !ok || n >= boundless>>10 {
		return 0
	}
	return n << 10
}
