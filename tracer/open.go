package tracer

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// openMapped opens the file behind a mapping, which the process knows by name. The
// links of map_files need CAP_CHECKPOINT_RESTORE. Without it a file that was deleted
// is found only if it is the program itself: what has its name now is another one.
func (ss *spaces) openMapped(pid int, m *procfs.ProcMap, name string, whose *tenant) (*file, error) {
	proc := fmt.Sprintf("/proc/%d", pid)
	root, exe := proc+"/root", proc+"/exe"
	f, err := os.OpenFile(fmt.Sprintf("%s/map_files/%x-%x", proc, m.StartAddr, m.EndAddr), harmless, 0)
	if errors.Is(err, os.ErrPermission) {
		switch target, _ := os.Readlink(exe); {
		case target == m.Pathname:
			f, err = os.OpenFile(exe, harmless, 0)
		case name == m.Pathname:
			f, err = openIn(root, name)
		}
	}
	if err != nil {
		return nil, err
	}
	return ss.files.open(f, name, root, whose)
}

// harmless is how to open what may be anything: a FIFO would wait for its writer,
// and a terminal become one's own.
const harmless = os.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY

// openIn opens a path in a process's root directory, whatever links there are.
func openIn(root, path string) (*os.File, error) {
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.OpenFile(strings.TrimPrefix(path, "/"), harmless, 0)
}
