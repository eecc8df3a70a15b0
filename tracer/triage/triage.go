// Package triage finds the processes that are most worth tracing, from /proc alone:
// those with children that nobody has reaped, sockets in CLOSE_WAIT, very many threads,
// and those near a limit. It traces nothing, and sees what the user may see.
package triage

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/prometheus/procfs"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

const (
	// ManyThreads is from how many threads on a process is listed for them alone:
	// few services need as many, and a pool of more is worth a look.
	ManyThreads = 200
	// Near is how much of a limit is used when it is listed.
	Near = 0.75
)

// Process is a process with something odd about it.
type Process struct {
	tracer.Process
	// Threads is how many it has; Descriptors is 0 where that cannot be read.
	Threads, Descriptors int
	// Zombies are the children it would have to reap, by name, the most first.
	Zombies []Name
	// CloseWait is how many sockets in CLOSE_WAIT it holds.
	CloseWait int
	// Limits are those of which Near is used, and a good part of that by the process;
	// the fullest first.
	Limits []limit.Limit
}

// Name is how many children have a name, which is unescaped.
type Name struct {
	Name  string
	Count int
}

// Look is one look at all processes of a machine.
type Look struct {
	// Worst are the processes with something odd about them: first those near a
	// limit, then by how much was not given back.
	Worst []Process
	// Processes is how many there are, kernel threads aside.
	Processes int
	// Unreadable are the pids of those that hide from this user what they hold: of
	// them no more is known than threads and zombies.
	Unreadable []int
	// Unowned is how many sockets in CLOSE_WAIT nobody holds as far as can be seen.
	Unowned int
	// Partial says that there were too many descriptors to look at them all.
	Partial bool
}

// Machine looks at the machine whose file system is at root: "/", but for tests. The
// process self is left out. It fails when /proc is not there.
func Machine(root string, self int) (*Look, error) {
	fs, err := procfs.NewFS(filepath.Join(root, "proc"))
	if err != nil {
		return nil, fmt.Errorf("look at processes: %w (is /proc mounted?)", err)
	}
	all, err := fs.AllProcs()
	if err != nil {
		return nil, fmt.Errorf("look at processes: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("look at processes: there are none (is /proc mounted?)")
	}
	l := &look{root: root, fs: fs, processes: map[int]*Process{}, networks: map[string]*network{}}
	for _, proc := range all {
		if proc.PID == self {
			l.addSelf(self)
		} else {
			l.add(proc)
		}
	}
	l.addSockets()
	l.addZombies()
	return l.finish()
}

// zombies is how many children a process would have to reap.
func (p *Process) zombies() (n int) {
	for _, z := range p.Zombies {
		n += z.Count
	}
	return n
}

// odd says whether there is anything to say of a process.
func (p *Process) odd() bool {
	return p.left() > 0 || p.Threads >= ManyThreads || len(p.Limits) > 0
}

// left is how much was not given back.
func (p *Process) left() int { return p.zombies() + p.CloseWait }

// worse orders processes, the worst first.
func worse(a, b *Process) int {
	return cmp.Or(
		cmp.Compare(b.fullest(), a.fullest()),
		cmp.Compare(b.left(), a.left()),
		cmp.Compare(b.Threads, a.Threads),
		cmp.Compare(a.PID, b.PID),
	)
}

// fullest is how much of its fullest limit is used, 0 if none is near.
func (p *Process) fullest() float64 {
	if len(p.Limits) == 0 {
		return 0
	}
	return used(p.Limits[0])
}

func used(l limit.Limit) float64 { return float64(l.Used) / float64(max(l.Max, 1)) }

// finish reads the limits of all that might be near one, and sorts.
func (l *look) finish() (*Look, error) {
	reader, err := limit.NewReader(l.root)
	if err != nil {
		return nil, err
	}
	for _, p := range l.bounded() {
		p.Limits = near(reader, p)
	}
	var worst []*Process
	for _, p := range l.processes {
		if p.odd() {
			worst = append(worst, p)
		}
	}
	slices.SortFunc(worst, worse)
	for _, p := range worst {
		l.result.Worst = append(l.result.Worst, *p)
	}
	return &l.result, nil
}

const (
	// fewest is how many threads and descriptors every process may have without
	// anybody reading its limits, of which there are ten files and more.
	fewest = 40
	// mostBounded is of how many processes limits are read.
	mostBounded = 1000
)

// bounded are the processes whose limits are worth reading: those that hold most.
func (l *look) bounded() []*Process {
	var all []*Process
	for _, p := range l.processes {
		if p.left() > 0 || p.Threads+p.Descriptors >= fewest {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b *Process) int {
		return cmp.Compare(b.Threads+b.Descriptors+b.left(), a.Threads+a.Descriptors+a.left())
	})
	return all[:min(len(all), mostBounded)]
}

// near reads the limits that are nearly used up, by this process among others.
func near(reader *limit.Reader, p *Process) []limit.Limit {
	all, err := reader.Read(p.Process, tracer.Zombie, tracer.CloseWait)
	if err != nil {
		return nil // it has ended, or may not be read
	}
	all = slices.DeleteFunc(all, func(l limit.Limit) bool {
		own := uint64(p.Descriptors)
		if l.Resource == limit.Tasks {
			own = uint64(p.Threads + p.zombies())
		}
		const part = 10 // of what others share only who has a tenth is named
		return used(l) < Near || l.Shared && own*part < l.Used
	})
	slices.SortStableFunc(all, func(a, b limit.Limit) int { return cmp.Compare(used(b), used(a)) })
	return all
}
