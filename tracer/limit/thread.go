package limit

import (
	"iter"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/leaktrace/leaktrace/tracer"
)

// thread is a thread of a process, by which /proc shows what the process holds.
type thread struct {
	proc procfs.Proc
	dir  string
}

// threadsOf is the main thread of a process, and then the others. A main thread that
// has ended before them shows no descriptors and no mappings, and no error.
func (r *Reader) threadsOf(pid int) iter.Seq[thread] {
	return func(yield func(thread) bool) {
		dir := r.path("proc", strconv.Itoa(pid))
		leader, err := r.proc.Proc(pid)
		if err != nil || !yield(thread{leader, dir}) {
			return
		}
		threads, _ := r.proc.AllThreads(pid) // none if it has ended
		for _, t := range threads {
			if t.PID != pid && !yield(thread{t, r.path("proc", strconv.Itoa(pid), "task", strconv.Itoa(t.PID))}) {
				return
			}
		}
	}
}

// alive tells whether what was read so far is of the process that is meant. A thread
// that ends gives up its memory before its descriptors: as long as it has the one,
// it had the others.
func (p *process) alive(meant tracer.Process) bool {
	s, err := readStatus(filepath.Join(p.dir, "status"), make([]byte, statusSize))
	return err == nil && s.size > 0 && p.still(meant)
}

// still tells whether no other process has got the pid of the one that is meant, as
// far as it is known when that began.
func (r *Reader) still(meant tracer.Process) bool {
	if meant.Start == 0 {
		return true
	}
	leader, err := r.proc.Proc(meant.PID)
	if err != nil {
		return false
	}
	stat, err := leader.Stat()
	return err == nil && !later(stat.Starttime, meant.Start, asleep())
}

// tick is the unit of times in /proc/PID/stat (USER_HZ).
const tick = 10 * time.Millisecond

// later tells that a process began after the one that is meant, whose pid it has
// then: its ticks are those since boot, and go on while the machine is asleep.
func later(ticks, start uint64, asleep time.Duration) bool {
	return ticks > (start+uint64(asleep))/uint64(tick)+1
}

// asleep is for how long the machine was suspended since it booted, or a little more.
func asleep() time.Duration {
	var running, all unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &running)
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &all)
	return time.Duration(all.Nano() - running.Nano())
}
