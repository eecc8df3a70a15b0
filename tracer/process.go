package tracer

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// resyncEvery bounds how often the mappings of one process are read again.
const resyncEvery = 20 * time.Millisecond

// process is a traced process as Go knows it.
type process struct {
	pid   int
	start uint64 // field 22 of /proc/PID/stat, ticks since boot; 0 until first read
	comm  string
	space *space // nil until it is known, and while nothing is recorded of it
	// scope and program are who its objects belong to, where a node is traced:
	// program is the process's name at the beginning of its image, which is known
	// by startStack.
	scope      uint32
	muted      bool // its scope is not admitted, and nothing is recorded of it
	program    string
	startStack uint64
	read       time.Time // when its mappings were read last
	seen       footprint // at the last snapshot
	// ours says that it was started to be traced: nothing in it is older.
	ours bool
	// unreadable says that nobody may see the mappings of its image, not even root.
	unreadable bool
	// headless says that the main thread has ended. /proc/PID/maps is empty then:
	// what was known before still holds, as far as it goes.
	headless bool
}

// footprint is what of a process's image and mappings the kernel tells cheaply.
type footprint struct{ startStack, codePages uint64 }

// kernelThread is the PF_KTHREAD bit of field 9 of /proc/PID/stat.
const kernelThread = 0x00200000

var errHeadless = errors.New("its main thread has ended; that is not supported")

// openProcess looks a process up and checks that it can be traced.
func openProcess(pid int) (*process, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return nil, fmt.Errorf("trace process %d: no such process on this host (ps -e lists them)", pid)
	}
	stat, statErr := proc.Stat()
	status, statusErr := proc.NewStatus()
	switch {
	case statErr != nil || statusErr != nil:
		return nil, fmt.Errorf("trace process %d: it has just ended", pid)
	case stat.Flags&kernelThread != 0:
		return nil, fmt.Errorf("trace process %d (%q): it is a kernel thread, which runs no program", pid, stat.Comm)
	case status.TGID != pid:
		return nil, fmt.Errorf("trace process %d (%q): it is a thread; name its process, %d", pid, stat.Comm, status.TGID)
	case stat.State == "Z" && stat.NumThreads > 1:
		return nil, fmt.Errorf("trace process %d (%q): %w", pid, stat.Comm, errHeadless)
	case stat.State == "Z":
		return nil, fmt.Errorf("trace process %d (%q): it has ended and waits to be reaped by process %d: trace that one", pid, stat.Comm, stat.PPID)
	}
	return &process{pid: pid, start: stat.Starttime, comm: stat.Comm}, nil
}

// open finds the process in /proc. The error is os.ErrProcessDone when it has ended.
func (p *process) open() (procfs.Proc, error) {
	proc, err := procfs.NewProc(p.pid)
	if err != nil {
		err = fmt.Errorf("look at process %d: %w", p.pid, orDone(err))
	}
	return proc, err
}

// orDone turns the errors of /proc by which a process has ended into os.ErrProcessDone. All
// others, as of too many open files, say nothing of it.
func orDone(err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// identify reads who the process is now. The error is os.ErrProcessDone when the process
// has ended, also when another has got its pid. A process whose main thread has ended lives
// on in the others.
func (p *process) identify(proc procfs.Proc) error {
	stat, err := proc.Stat()
	dead := stat.State == "X" || stat.State == "Z" && stat.NumThreads <= 1
	if err == nil && (dead || p.start != 0 && stat.Starttime != p.start) {
		err = os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("look at process %d: %w", p.pid, orDone(err))
	}
	p.start, p.comm, p.headless = stat.Starttime, stat.Comm, stat.State == "Z"
	if stat.StartStack != p.startStack && stat.StartStack != 0 {
		p.program, p.startStack = stat.Comm, stat.StartStack
		p.unreadable = false
	}
	if p.program == "" {
		p.program = stat.Comm
	}
	return nil
}

// image is the image that is known of a process, by mm->start_stack; 0 where none is.
// It is the one that its objects are read of, which may be a little behind.
func (p *process) image() uint64 {
	if p == nil || p.space == nil {
		return 0
	}
	return p.space.startStack
}

// lookUp is identify of a process that nobody has opened.
func (p *process) lookUp() error {
	proc, err := p.open()
	if err != nil {
		return err
	}
	return p.identify(proc)
}

// innerPID is the pid a process has in its own pid namespace, or pid when that
// cannot be read.
func innerPID(pid int) int {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return pid
	}
	status, err := proc.NewStatus()
	if err != nil || len(status.NSpids) == 0 {
		return pid
	}
	return int(status.NSpids[len(status.NSpids)-1])
}

// sync reads the process's mappings and, when they changed, publishes them. If
// the process ends meanwhile the error is os.ErrProcessDone, whatever failed.
func (t *Tracer) sync(p *process) error {
	proc, err := p.open()
	if err != nil {
		return err
	}
	if err := t.syncWith(p, proc); err != nil {
		if done := p.identify(proc); errors.Is(done, os.ErrProcessDone) {
			err = done
		} else if t.scopes != nil && p.space == nil {
			// It counts all the same, and so do its children.
			p.unreadable = errors.Is(err, os.ErrPermission)
			err = errors.Join(err, t.mark(p, nil))
		}
		return fmt.Errorf("read mappings of process %d: %w", p.pid, err)
	}
	return nil
}

func (t *Tracer) syncWith(p *process, proc procfs.Proc) error {
	if err := p.identify(proc); err != nil {
		return err
	}
	p.read = time.Now()
	before, wasMuted := p.scope, p.muted
	if err := t.place(p, proc); err != nil {
		return err
	}
	p.muted = t.scopes.muted(p.scope)
	if p.muted {
		return errors.Join(t.mark(p, nil), t.enter(p, nil))
	}
	if p.scope != before || wasMuted {
		// Before its files are read, which takes a while the first time.
		if err := t.mark(p, p.space); err != nil {
			return err
		}
	}
	if p.unreadable || p.space != nil && (p.headless || p.space.current(proc)) {
		return nil
	}
	fresh, err := t.spaces.read(proc, t.scopes.tenant(p.scope))
	if err != nil {
		return err
	}
	// One that exits has given up its memory a while before it is dead: what it had mapped is
	// still what its stacks lead through.
	if p.space != nil && (len(fresh.mappings) == 0 || p.space.same(fresh)) {
		return t.spaces.close(fresh)
	}
	if shared := t.spaces.published(fresh); shared != nil {
		if err := errors.Join(t.spaces.close(fresh), t.mark(p, shared)); err != nil {
			return err
		}
		return t.enter(p, shared)
	}
	if err := t.spaces.publish(fresh); err != nil {
		return errors.Join(err, t.spaces.close(fresh))
	}
	if err := t.mark(p, fresh); err != nil {
		return errors.Join(err, t.spaces.retire(fresh))
	}
	return t.enter(p, fresh)
}

// mark tells the kernel that a process is traced, and in which space; without one
// its stacks will not be known. What the kernel has counted of the process against
// its budgets stays.
func (t *Tracer) mark(p *process, s *space) error {
	pidfd, err := unix.PidfdOpen(p.pid, 0)
	if err != nil {
		return fmt.Errorf("open process %d: %w", p.pid, err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	var value ledgerLeakProc
	if err := ignoreMissing(t.maps.Procs.Lookup(int32(pidfd), &value)); err != nil {
		return fmt.Errorf("read the mark of process %d: %w", p.pid, err)
	}
	value.Space, value.Scope, value.Follow, value.Muted = 0, p.scope, 0, 0
	if s != nil {
		value.Space = s.id
	}
	if t.options.Follow || t.scopes != nil {
		value.Follow = 1
	}
	if p.muted {
		value.Muted = 1
	}
	if err := t.maps.Procs.Put(int32(pidfd), value); err != nil {
		return fmt.Errorf("mark process %d as traced: %w", p.pid, err)
	}
	return nil
}

// marked tells whether the kernel knows a process as traced.
func (t *Tracer) marked(pid int) bool {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(pidfd) }()
	var value ledgerLeakProc
	return t.maps.Procs.Lookup(int32(pidfd), &value) == nil
}

// enter moves a process into a space, and retires the one it leaves when no
// other process uses it.
func (t *Tracer) enter(p *process, s *space) error {
	old := p.space
	p.space = s
	if s != nil {
		s.procs++
	}
	if old == nil {
		return nil
	}
	old.procs--
	if old.procs > 0 {
		return nil
	}
	return t.spaces.retire(old)
}

// markOld enters what the traced processes had before tracing into the ledger:
// of all at once, since it takes a look at every file of the machine.
func (t *Tracer) markOld() error {
	if err := t.iterate(ledgerProgMarkTasks, nil); err != nil {
		return fmt.Errorf("list tasks older than tracing: %w", err)
	}
	if err := t.iterate(ledgerProgMarkSockets, nil); err != nil {
		return fmt.Errorf("list sockets older than tracing: %w", err)
	}
	return nil
}

// descendants lists a process's children, theirs, and so on.
func descendants(pid int) []int {
	var out []int
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, thread := range threads {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		for _, field := range strings.Fields(string(list)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(append(out, child), descendants(child)...)
			}
		}
	}
	return out
}
