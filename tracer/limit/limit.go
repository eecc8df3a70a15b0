// Package limit tells what bounds the objects that a process can hold, and how
// much of it is used: resource limits, the pids.max of cgroups, kernel limits,
// and limits that only the user knows of. It reads /proc and cgroup files and
// uses no BPF.
//
// Memory is left out: what a thread or a child costs of a cgroup's memory.max
// is the pages it touched, which no file tells per thread.
package limit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/prometheus/procfs"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/cgroup"
)

// Resource is what a limit counts. It reads well after a number.
type Resource string

// The resources.
const (
	// Tasks are threads and children, alive or not yet reaped.
	Tasks Resource = "tasks"
	// Descriptors are open files and sockets.
	Descriptors Resource = "descriptors"
	// Mappings are the stretches that an address space consists of.
	Mappings Resource = "mappings"
	// AddressSpace is counted in bytes, touched or not.
	AddressSpace Resource = "bytes of address space"
	// Objects are those of one kind, for limits that the user knows of.
	Objects Resource = "objects"
)

// uses says what an object of a kind uses up. A thread that has finished and
// was not joined is no task any more, but its stack stays.
var uses = map[tracer.Kind][]Resource{
	tracer.Zombie:         {Tasks},
	tracer.Thread:         {Tasks, Mappings, AddressSpace},
	tracer.UnjoinedThread: {Mappings, AddressSpace},
	tracer.CloseWait:      {Descriptors},
}

// Limit is a bound on something, and how much of it is used.
type Limit struct {
	// Name is what sets the limit, as a person would look for it. It may hold
	// names of processes and cgroups, which are unescaped.
	Name string
	// Resource is what Used and Max count.
	Resource Resource
	// Each is how many units one object of a kind takes. Kinds that do not use
	// up the resource are missing.
	Each map[tracer.Kind]uint64
	// Used is how many units are taken, by whomever. It can exceed Max where a
	// limit was lowered. Max can be 0: that allows nothing at all.
	Used, Max uint64
	// Shared says that Used counts what other processes use up too: the tasks of a
	// user, of a cgroup, of the host, and its open files.
	Shared bool
}

// source reads the limits of a process on one resource. What cannot be read,
// or does not bind the process, is left out.
type source struct {
	resource Resource
	read     func(*process) []Limit
}

var sources = []source{
	{Tasks, userTasks},
	{Tasks, cgroupTasks},
	{Tasks, hostTasks},
	{Descriptors, openFiles},
	{Descriptors, hostFiles},
	{Mappings, stacks},
}

// Reader is one look at the host: what bounds several processes is read once,
// for the first that needs it, and is as old as that. It is for one goroutine
// and holds nothing open.
type Reader struct {
	root    string
	proc    procfs.FS
	cgroups func() *cgroup.View
	users   func() *users
	tasks   func() (uint64, bool)
}

// NewReader begins a look at the host whose file system is at root: "/", but
// for tests. It fails when /proc is not there.
func NewReader(root string) (*Reader, error) {
	proc, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return nil, fmt.Errorf("read limits: %w (is /proc mounted?)", err)
	}
	r := &Reader{root: root, proc: proc}
	r.cgroups = sync.OnceValue(func() *cgroup.View { return cgroup.Look(root) })
	r.users = sync.OnceValue(r.readUsers)
	r.tasks = sync.OnceValues(r.readTasks)
	return r, nil
}

// process is one process whose limits are read, by way of one of its threads.
type process struct {
	*Reader
	thread
	status status
	// limits is nil where the thread's limits could not be read.
	limits *procfs.ProcLimits
	name   string
}

// Read returns what bounds the objects of some kinds, or of all when none is
// named, that a process holds: the limits closest to the process first. What
// cannot be read, is unlimited, or does not apply to the process is absent. The
// error is os.ErrProcessDone when the process has ended, also when it waits to be
// reaped or another one has got its pid.
//
// The tracer is taken to be in the initial user namespace, as BPF demands.
func (r *Reader) Read(p tracer.Process, kinds ...tracer.Kind) ([]Limit, error) {
	if len(kinds) == 0 {
		kinds = tracer.Kinds()
	}
	for t := range r.threadsOf(p.PID) {
		if !r.still(p) {
			break
		}
		read, err := r.open(p, t)
		if errors.Is(err, os.ErrProcessDone) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read limits of process %d: %w", p.PID, err)
		}
		// Asked last: /proc shows less and less of one that ends, and no error.
		if limits := read.all(kinds); read.alive(p) {
			return limits, nil
		}
	}
	return nil, fmt.Errorf("read limits of process %d: %w", p.PID, os.ErrProcessDone)
}

// all reads what bounds objects of some kinds.
func (p *process) all(kinds []tracer.Kind) (limits []Limit) {
	for _, s := range sources {
		if slices.ContainsFunc(kinds, func(k tracer.Kind) bool { return slices.Contains(uses[k], s.resource) }) {
			limits = append(limits, s.read(p)...)
		}
	}
	return limits
}

// open begins to read a process by way of a thread. It fails with os.ErrProcessDone
// when the thread has ended.
func (r *Reader) open(p tracer.Process, t thread) (*process, error) {
	s, err := readStatus(filepath.Join(t.dir, "status"), make([]byte, statusSize))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return nil, os.ErrProcessDone
	}
	if err != nil {
		return nil, err
	}
	if s.size == 0 {
		return nil, os.ErrProcessDone
	}
	read := &process{Reader: r, thread: t, status: s, name: fmt.Sprintf("%s (pid %d)", p.Comm, p.PID)}
	if limits, err := t.proc.Limits(); err == nil {
		read.limits = &limits
	}
	return read, nil
}

func (r *Reader) path(elements ...string) string {
	return filepath.Join(append([]string{r.root}, elements...)...)
}

// each says that one object of every kind that uses the resource takes units.
func each(resource Resource, units uint64) map[tracer.Kind]uint64 {
	out := map[tracer.Kind]uint64{}
	for kind, used := range uses {
		if slices.Contains(used, resource) {
			out[kind] = units
		}
	}
	return out
}
