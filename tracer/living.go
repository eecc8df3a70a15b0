package tracer

import "github.com/prometheus/procfs"

// living is a thread of a process that has not ended. The main thread may end before
// the others; the process's memory and its image are then known by way of those alone.
type living struct {
	tid        int    // 0 if there is none
	startStack uint64 // of its image
}

// livingThread finds a living thread of a process, the main one if it lives.
func livingThread(pid int) living {
	main, err := procfs.NewProc(pid)
	if err != nil {
		return living{}
	}
	if l := asLiving(main); l.tid != 0 {
		return l
	}
	others, err := procfs.AllThreads(pid)
	if err != nil {
		return living{}
	}
	for _, thread := range others {
		if l := asLiving(thread); l.tid != 0 {
			return l
		}
	}
	return living{}
}

// asLiving looks at a thread. One that has ended has no image any more.
func asLiving(thread procfs.Proc) living {
	stat, err := thread.Stat()
	if err != nil || stat.StartStack == 0 {
		return living{}
	}
	return living{thread.PID, stat.StartStack}
}

// lives is the living threads of processes, by pid: each is looked for once.
type lives map[int]living

func (l lives) of(pid int) living {
	known, ok := l[pid]
	if !ok {
		known = livingThread(pid)
		l[pid] = known
	}
	return known
}
