package limit

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// hostTasks is the kernel's own limits on tasks. They bind root too. Of pid_max
// a little is kept for the kernel; a pid namespace may have a lower one (6.14),
// which cannot be read from outside.
func hostTasks(p *process) []Limit {
	used, ok := p.tasks()
	if !ok {
		return nil
	}
	var limits []Limit
	for _, name := range []string{"threads-max", "pid_max"} {
		if limit, ok := readNumber(p.path("proc/sys/kernel", name)); ok {
			limits = append(limits, Limit{
				Name:     "kernel." + name,
				Resource: Tasks, Each: each(Tasks, 1),
				Used: used, Max: limit, Shared: true,
			})
		}
	}
	return limits
}

// readTasks is how many tasks there are on the host: the fourth field of
// loadavg is running/all.
func (r *Reader) readTasks() (uint64, bool) {
	text, err := os.ReadFile(r.path("proc/loadavg"))
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 4 {
		return 0, false
	}
	_, all, _ := strings.Cut(fields[3], "/")
	return parseNumber(all)
}

// openFiles is RLIMIT_NOFILE.
func openFiles(p *process) []Limit {
	used, err := p.thread.proc.FileDescriptorsLen()
	if err != nil || p.limits == nil || p.limits.OpenFiles >= boundless {
		return nil
	}
	return []Limit{{
		Name:     "RLIMIT_NOFILE of " + p.name,
		Resource: Descriptors, Each: each(Descriptors, 1),
		Used: uint64(used), Max: p.limits.OpenFiles,
	}}
}

// hostFiles is fs.file-max, which alloc_empty_file in fs/file_table.c enforces
// for all without CAP_SYS_ADMIN. It counts open files, which several
// descriptors can share.
func hostFiles(p *process) []Limit {
	userNS, ok := userNSOf(p.dir)
	if !ok || userNS == initialUserNS && p.status.caps&(1<<unix.CAP_SYS_ADMIN) != 0 {
		return nil
	}
	text, err := os.ReadFile(p.path("proc/sys/fs/file-nr"))
	fields := strings.Fields(string(text)) // allocated, free (0 since 2.6), max
	if err != nil || len(fields) != 3 {
		return nil
	}
	used, counted := parseNumber(fields[0])
	limit, limited := parseNumber(fields[2])
	if !counted || !limited {
		return nil
	}
	return []Limit{{
		Name:     "fs.file-max",
		Resource: Descriptors, Each: each(Descriptors, 1),
		Used: used, Max: limit, Shared: true,
	}}
}
