package triage

import (
	"bufio"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"

	"github.com/leaktrace/leaktrace/tracer"
)

// look is a look that is being taken.
type look struct {
	root      string
	fs        procfs.FS
	processes map[int]*Process // but zombies and kernel threads
	zombies   []zombie
	networks  map[string]*network // by the name of the namespace
	links     int                 // how many descriptors were looked at
	result    Look
}

// zombie is a child that waits to be reaped.
type zombie struct {
	pid, parent int
	start       uint64
	name        string
}

// network is a network namespace and the processes that are in it.
type network struct{ members []member }

// member is a process in a network namespace, and the directory that shows what it
// holds: its own, or that of a thread.
type member struct {
	pid int
	dir string
}

// enter notes that a process is in a namespace.
func (l *look) enter(m member, namespace string) {
	if l.networks[namespace] == nil {
		l.networks[namespace] = &network{}
	}
	l.networks[namespace].members = append(l.networks[namespace].members, m)
}

// addSelf notes where the one who looks is: that namespace may be looked at even where
// no other process may.
func (l *look) addSelf(pid int) {
	dir := l.path(pid)
	if namespace, err := os.Readlink(filepath.Join(dir, "ns/net")); err == nil {
		l.enter(member{pid, dir}, namespace)
	}
}

const (
	kernelThread = 0x00200000 // PF_KTHREAD, a bit of field 9 of /proc/PID/stat
	// mostLinks is how many descriptors are looked at: some seconds' worth.
	mostLinks = 1 << 20
)

// add looks at one process.
func (l *look) add(proc procfs.Proc) {
	stat, err := proc.Stat()
	if err != nil || stat.Flags&kernelThread != 0 {
		return // it has ended meanwhile, or is the kernel's own
	}
	l.result.Processes++
	if stat.State == "Z" && stat.NumThreads <= 1 {
		l.zombies = append(l.zombies, zombie{proc.PID, stat.PPID, stat.Starttime, stat.Comm})
		return
	}
	p := &Process{Process: tracer.Process{PID: proc.PID, Comm: stat.Comm}, Threads: stat.NumThreads}
	l.processes[proc.PID] = p
	dir := l.path(proc.PID)
	if stat.State == "Z" {
		proc, dir = l.livingThread(proc)
	}
	descriptors, err := proc.FileDescriptorsLen()
	namespace, nsErr := os.Readlink(filepath.Join(dir, "ns/net"))
	if errors.Is(errors.Join(err, nsErr), os.ErrPermission) {
		l.result.Unreadable = append(l.result.Unreadable, p.PID)
		return
	}
	if nsErr != nil {
		return // it is ending, and holds nothing any more
	}
	p.Descriptors = descriptors
	l.enter(member{p.PID, dir}, namespace)
}

// livingThread is a thread of a process whose main thread has ended, and its directory:
// of the main thread /proc shows no descriptors then and no namespace. If no thread
// lives any more the process itself will do.
func (l *look) livingThread(proc procfs.Proc) (procfs.Proc, string) {
	threads, _ := l.fs.AllThreads(proc.PID) // none if it has ended
	for _, thread := range threads {
		if stat, err := thread.Stat(); err == nil && stat.State != "Z" && stat.State != "X" {
			return thread, filepath.Join(l.path(proc.PID), "task", strconv.Itoa(thread.PID))
		}
	}
	return proc, l.path(proc.PID)
}

func (l *look) path(pid int) string {
	return filepath.Join(l.root, "proc", strconv.Itoa(pid))
}

// addZombies counts what is still a zombie now: who reaps his children has done so
// since the look began.
func (l *look) addZombies() {
	names := map[int]map[string]int{}
	for _, z := range l.zombies {
		proc, err := l.fs.Proc(z.pid)
		if err != nil || l.processes[z.parent] == nil {
			continue
		}
		if stat, err := proc.Stat(); err != nil || stat.Starttime != z.start {
			continue
		}
		if names[z.parent] == nil {
			names[z.parent] = map[string]int{}
		}
		names[z.parent][z.name]++
	}
	for parent, counts := range names {
		p := l.processes[parent]
		for name, n := range counts {
			p.Zombies = append(p.Zombies, Name{name, n})
		}
		slices.SortFunc(p.Zombies, func(a, b Name) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
		})
	}
}

// addSockets finds who holds the sockets in CLOSE_WAIT of each network namespace.
func (l *look) addSockets() {
	for _, n := range l.networks {
		waiting := l.closeWait(n)
		if len(waiting) == 0 {
			continue
		}
		for _, m := range n.members {
			if p := l.processes[m.pid]; p != nil {
				p.CloseWait = l.held(m.dir, waiting)
			}
		}
		for _, held := range waiting {
			if !held {
				l.result.Unowned++
			}
		}
	}
}

// closeWait lists the sockets of a namespace that are in CLOSE_WAIT, by inode. None
// of them is held as yet.
func (l *look) closeWait(n *network) map[uint64]bool {
	for _, m := range n.members {
		waiting := map[uint64]bool{}
		v4 := readSockets(filepath.Join(m.dir, "net/tcp"), waiting)
		v6 := readSockets(filepath.Join(m.dir, "net/tcp6"), waiting)
		if v4 == nil || v6 == nil {
			return waiting
		}
		// It has ended: another one will do.
	}
	return nil
}

// readSockets adds the sockets in CLOSE_WAIT that a file in the form of /proc/net/tcp
// lists. What nobody has accepted has no inode, and is left out.
func readSockets(path string, waiting map[uint64]bool) error {
	const state, inode, closeWait = 3, 9, "08"
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) <= inode || fields[state] != closeWait {
			continue
		}
		if number, err := strconv.ParseUint(fields[inode], 10, 64); err == nil && number != 0 {
			waiting[number] = false
		}
	}
	return lines.Err()
}

// held counts which of the sockets a process holds by its directory, and notes that
// they are held.
func (l *look) held(process string, waiting map[uint64]bool) int {
	dir, err := os.Open(filepath.Join(process, "fd"))
	if err != nil {
		return 0
	}
	defer dir.Close()
	mine := map[uint64]bool{}
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			inode, ok := socketOf(filepath.Join(dir.Name(), name))
			if _, waits := waiting[inode]; ok && waits {
				waiting[inode], mine[inode] = true, true
			}
		}
		l.links += len(names)
		if l.links > mostLinks {
			l.result.Partial = true
			return len(mine)
		}
		if err != nil { // io.EOF, or the process has ended
			return len(mine)
		}
	}
}

// socketOf is the inode of a socket that a descriptor is.
func socketOf(path string) (inode uint64, ok bool) {
	target, err := os.Readlink(path)
	number, isSocket := strings.CutPrefix(target, "socket:[")
	if err != nil || !isSocket {
		return 0, false
	}
	inode, err = strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64)
	return inode, err == nil
}
