package limit

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// initialUserNS names the user namespace the machine booted with; its inode is
// PROC_USER_INIT_INO of the kernel's include/linux/proc_ns.h.
const initialUserNS = "user:[4026531837]"

// privileged are the capabilities that lift RLIMIT_NPROC.
const privileged = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_SYS_RESOURCE

// account is what the kernel counts tasks by since 5.14.
type account struct {
	uid    uint64
	userNS string
}

// users is the tasks of every user.
type users struct {
	reader *Reader
	// threads is how many tasks every process has, by user and pid. A process
	// that waits to be reaped has one.
	threads map[uint64]map[int]uint64
	known   map[account]uint64
}

// userTasks is RLIMIT_NPROC, which copy_process in kernel/fork.c enforces. It
// does not bind root. Tasks in user namespaces that the user made (rootless
// containers) use it up too and are not counted here, nor is the limit of an
// outer user namespace known: both only make it fill up sooner.
func userTasks(p *process) []Limit {
	if p.limits == nil || p.limits.Processes >= boundless || p.status.uid == 0 {
		return nil
	}
	userNS, ok := userNSOf(p.dir)
	if !ok || userNS == initialUserNS && p.status.caps&privileged != 0 {
		return nil
	}
	used := p.users().tasks(account{p.status.uid, userNS})
	if used == 0 {
		return nil
	}
	return []Limit{{
		Name:     fmt.Sprintf("RLIMIT_NPROC of %s for user %d", p.name, p.status.uid),
		Resource: Tasks, Each: each(Tasks, 1),
		Used: used, Max: p.limits.Processes, Shared: true,
	}}
}

// userNSOf names the user namespace of the task that has a directory in /proc.
func userNSOf(dir string) (string, bool) {
	name, err := os.Readlink(filepath.Join(dir, "ns/user"))
	return name, err == nil
}

// readUsers looks at every process once.
func (r *Reader) readUsers() *users {
	u := &users{reader: r, threads: map[uint64]map[int]uint64{}, known: map[account]uint64{}}
	dir, err := os.Open(r.path("proc"))
	if err != nil {
		return u
	}
	defer dir.Close()
	// What was read before an error is too little, and so is no count.
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return u
	}
	buffer := make([]byte, statusSize)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		s, err := readStatus(r.path("proc", name, "status"), buffer)
		if err != nil {
			continue // It ended meanwhile.
		}
		if u.threads[s.uid] == nil {
			u.threads[s.uid] = map[int]uint64{}
		}
		u.threads[s.uid][pid] = s.threads
	}
	return u
}

// tasks counts the tasks of an account.
func (u *users) tasks(a account) uint64 {
	if n, ok := u.known[a]; ok {
		return n
	}
	var n uint64
	for pid, threads := range u.threads[a.uid] {
		if userNS, ok := userNSOf(u.reader.path("proc", strconv.Itoa(pid))); ok && userNS == a.userNS {
			n += threads
		}
	}
	u.known[a] = n
	return n
}
