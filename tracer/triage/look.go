package triage

import (
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
type network struct{ pids []int }

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
	descriptors, err := proc.FileDescriptorsLen()
	namespace, nsErr := os.Readlink(l.path(proc.PID, "ns/net"))
	if errors.Is(errors.Join(err, nsErr), os.ErrPermission) {
		l.result.Unreadable++
		return
	}
	p.Descriptors = descriptors
	if l.networks[namespace] == nil {
		l.networks[namespace] = &network{}
	}
	l.networks[namespace].pids = append(l.networks[namespace].pids, proc.PID)
}

func (l *look) path(pid int, name string) string {
	return filepath.Join(l.root, "proc", strconv.Itoa(pid), name)
}

// addZombies counts what is still a zombie now: who reaps his children has done so
// since the look began.
func (l *look) addZombies(fs procfs.FS) {
	names := map[int]map[string]int{}
	for _, z := range l.zombies {
		proc, err := fs.Proc(z.pid)
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
		for _, pid := range n.pids {
			l.processes[pid].CloseWait = l.held(pid, waiting)
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
	const closeWait = 8
	for _, pid := range n.pids {
		process, err := procfs.NewFS(l.path(pid, ""))
		if err != nil {
			continue // it has ended: another one will do
		}
		v4, err4 := process.NetTCP()
		v6, err6 := process.NetTCP6()
		if err4 != nil && err6 != nil {
			continue
		}
		waiting := map[uint64]bool{}
		for _, socket := range slices.Concat(v4, v6) {
			if socket.St == closeWait && socket.Inode != 0 {
				waiting[socket.Inode] = false
			}
		}
		return waiting
	}
	return nil
}

// held counts which of the sockets a process holds, and notes that they are held.
func (l *look) held(pid int, waiting map[uint64]bool) int {
	dir, err := os.Open(l.path(pid, "fd"))
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
