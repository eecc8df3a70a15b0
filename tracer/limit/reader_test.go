package limit

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// tree is files by path. Text that begins with "-> " is a symbolic link, and a
// path that ends in "/" a directory.
type tree map[string]string

// with is the tree with files changed, or gone.
func (files tree) with(changes tree) tree {
	out := maps.Clone(files)
	for path, text := range changes {
		out[path] = text
		if text == gone {
			delete(out, path)
		}
	}
	return out
}

const gone = "\x00"

func (files tree) write(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	for path, text := range files {
		file := filepath.Join(root, path)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		target, link := strings.CutPrefix(text, "-> ")
		switch {
		case strings.HasSuffix(path, "/"):
			err = errors.Join(err, os.MkdirAll(file, 0o755))
		case link:
			err = errors.Join(err, os.Symlink(target, file))
		default:
			err = errors.Join(err, os.WriteFile(file, []byte(text), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// limitsFile is /proc/PID/limits with some soft limits.
func limitsFile(nproc, nofile, as string) string {
	row := func(name, soft, unit string) string {
		return fmt.Sprintf("%-26s%-21s%-21s%-10s\n", name, soft, "unlimited", unit)
	}
	return row("Limit", "Soft Limit", "Units") +
		row("Max stack size", "8388608", "bytes") +
		row("Max processes", nproc, "processes") +
		row("Max open files", nofile, "files") +
		row("Max address space", as, "bytes") +
		row("Max nice priority", "0", "")
}

func statusFile(uid, threads int, caps string) string {
	return fmt.Sprintf("Name:\tserver\nUid:\t%d\t1\t1\t1\nVmSize:\t   20000 kB\nThreads:\t%d\nCapEff:\t%s\n", uid, threads, caps)
}

// statFile is /proc/PID/stat of a process that began so many ticks after boot.
func statFile(pid int, state string, threads, began int) string {
	return fmt.Sprintf("%d (server) %s 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 %d 0 %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n", pid, state, threads, began)
}

const (
	none   = "0000000000000000"
	initNS = "-> user:[4026531837]"
	podNS  = "-> user:[4026533000]"
	v2Only = "30 20 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
)

// server is a process with 3 threads and stacks of 8 MiB, of a user that has a
// second process and one in another namespace.
var server = tree{
	"proc/self/mountinfo": "22 1 254:0 / / rw - ext4 /dev/root rw\n" + v2Only,
	"proc/12/status":      statusFile(33, 3, none),
	"proc/12/stat":        statFile(12, "S", 3, 700),
	"proc/12/limits":      limitsFile("100", "1024", "unlimited"),
	"proc/12/ns/user":     initNS,
	"proc/12/cgroup":      "0::/\n",
	"proc/12/fd/0":        "", "proc/12/fd/1": "", "proc/12/fd/7": "",
	"proc/12/maps": `55d000000000-55d000001000 r-xp 00000000 fe:00 11 /usr/bin/server
7f0000000000-7f0000001000 ---p 00000000 00:00 0
7f0000001000-7f0000801000 rw-p 00000000 00:00 0
7f0000801000-7f0000802000 ---p 00000000 00:00 0
7f0000802000-7f0001002000 rw-p 00000000 00:00 0
7f0004000000-7f0004021000 rw-p 00000000 00:00 0
7f0004021000-7f0008000000 ---p 00000000 00:00 0
7f0008000000-7f0008021000 rw-p 00000000 00:00 0
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
`,
	"proc/13/status":              statusFile(33, 4, none),
	"proc/13/stat":                statFile(13, "S", 4, 700),
	"proc/13/ns/user":             initNS,
	"proc/14/status":              statusFile(33, 50, none),
	"proc/14/ns/user":             podNS,
	"proc/15/status":              statusFile(34, 60, none),
	"proc/15/ns/user":             initNS,
	"proc/loadavg":                "0.00 0.03 0.50 1/290 28865\n",
	"proc/sys/kernel/threads-max": "192730\n",
	"proc/sys/kernel/pid_max":     "4194304\n",
	"proc/sys/vm/max_map_count":   "65530\n",
	"proc/sys/fs/file-nr":         "485\t0\t2466177\n",
}

var (
	taskEach  = map[tracer.Kind]uint64{tracer.Zombie: 1, tracer.Thread: 1}
	fileEach  = map[tracer.Kind]uint64{tracer.CloseWait: 1}
	mapEach   = map[tracer.Kind]uint64{tracer.Thread: 2, tracer.UnjoinedThread: 2}
	spaceEach = map[tracer.Kind]uint64{tracer.Thread: 0x801000, tracer.UnjoinedThread: 0x801000}

	nproc      = Limit{"RLIMIT_NPROC of server (pid 12) for user 33", Tasks, taskEach, 7, 100, true}
	threadsMax = Limit{"kernel.threads-max", Tasks, taskEach, 290, 192730, true}
	pidMax     = Limit{"kernel.pid_max", Tasks, taskEach, 290, 4194304, true}
	nofile     = Limit{"RLIMIT_NOFILE of server (pid 12)", Descriptors, fileEach, 3, 1024, false}
	fileMax    = Limit{"fs.file-max", Descriptors, fileEach, 485, 2466177, true}
	mapCount   = Limit{"vm.max_map_count of server (pid 12)", Mappings, mapEach, 9, 65530, false}
)

func pids(path string, used, limit uint64) Limit {
	return Limit{"pids.max of " + path, Tasks, taskEach, used, limit, true}
}

func readFake(t *testing.T, files tree, kinds ...tracer.Kind) []Limit {
	t.Helper()
	r, err := NewReader(files.write(t))
	if err != nil {
		t.Fatal(err)
	}
	limits, err := r.Read(tracer.Process{PID: 12, Comm: "server"}, kinds...)
	if err != nil {
		t.Fatal(err)
	}
	return limits
}

func TestRead(t *testing.T) {
	all := []Limit{nproc, threadsMax, pidMax, nofile, fileMax, mapCount}
	without := func(missing ...Limit) (out []Limit) {
		for _, l := range all {
			for _, m := range missing {
				if l.Name == m.Name {
					l.Name = ""
				}
			}
			if l.Name != "" {
				out = append(out, l)
			}
		}
		return out
	}
	podNPROC := nproc
	podNPROC.Used = 53
	tests := map[string]struct {
		change tree
		kinds  []tracer.Kind
		want   []Limit
	}{
		"all":                     {want: all},
		"kind without a limit":    {kinds: []tracer.Kind{"timer"}},
		"zombies":                 {kinds: []tracer.Kind{tracer.Zombie}, want: []Limit{nproc, threadsMax, pidMax}},
		"sockets":                 {kinds: []tracer.Kind{tracer.CloseWait}, want: []Limit{nofile, fileMax}},
		"unjoined":                {kinds: []tracer.Kind{tracer.UnjoinedThread}, want: []Limit{mapCount}},
		"root is free of NPROC":   {change: tree{"proc/12/status": statusFile(0, 3, none)}, want: without(nproc)},
		"so is CAP_SYS_RESOURCE":  {change: tree{"proc/12/status": statusFile(33, 3, "0000000001000000")}, want: without(nproc)},
		"so is CAP_SYS_ADMIN":     {change: tree{"proc/12/status": statusFile(33, 3, "0000000000200000")}, want: without(nproc, fileMax)},
		"other capabilities bind": {change: tree{"proc/12/status": statusFile(33, 3, "000001fffedfffff")}, want: all},
		"a namespace's root is not the machine's": {
			change: tree{"proc/12/status": statusFile(33, 3, "000001ffffffffff"), "proc/12/ns/user": podNS},
			want:   append([]Limit{podNPROC}, all[1:]...),
		},
		"unknown namespace": {change: tree{"proc/12/ns/user": gone}, want: without(nproc, fileMax)},
		"unlimited": {
			change: tree{
				"proc/12/limits":            limitsFile("unlimited", "unlimited", "unlimited"),
				"proc/sys/fs/file-nr":       "485\t0\t9223372036854775807\n",
				"proc/sys/vm/max_map_count": "18446744073709551615\n",
			},
			want: []Limit{threadsMax, pidMax},
		},
		"no limits file":      {change: tree{"proc/12/limits": gone}, want: without(nproc, nofile)},
		"garbled limits file": {change: tree{"proc/12/limits": "head\nMax open files  many  many  files\n"}, want: without(nproc, nofile)},
		"no loadavg":          {change: tree{"proc/loadavg": gone}, want: without(threadsMax, pidMax)},
		"short loadavg":       {change: tree{"proc/loadavg": "0.0 0.0 0.0"}, want: without(threadsMax, pidMax)},
		"loadavg of nonsense": {change: tree{"proc/loadavg": "0.0 0.0 0.0 1 7"}, want: without(threadsMax, pidMax)},
		"no sysctls": {
			change: tree{
				"proc/sys/kernel/threads-max": gone, "proc/sys/kernel/pid_max": "-1\n",
				"proc/sys/vm/max_map_count": "", "proc/sys/fs/file-nr": "1 2",
			},
			want: []Limit{nproc, nofile},
		},
		"a file-nr of nonsense": {change: tree{"proc/sys/fs/file-nr": "a b c"}, want: without(fileMax)},
		"no descriptors":        {change: tree{"proc/12/fd/0": gone, "proc/12/fd/1": gone, "proc/12/fd/7": gone}, want: without(nofile)},
		"no maps":               {change: tree{"proc/12/maps": gone}, want: without(mapCount)},
		"neighbours that ended": {
			change: tree{"proc/13/status": gone, "proc/13/": "", "proc/16/status": "Name:\tx\n", "proc/17/status": ""},
			want:   append([]Limit{{nproc.Name, Tasks, taskEach, 3, 100, true}}, all[1:]...),
		},
		"more threads than stacks": {
			change: tree{"proc/12/status": statusFile(33, 6, none)},
			want:   append([]Limit{{nproc.Name, Tasks, taskEach, 10, 100, true}}, without(nproc, mapCount)...),
		},
		"the main thread has ended": {change: headless, want: all},
		"and a thread is ending": {
			change: headless.with(tree{"proc/12/task/15/status": ending, "proc/12/task/15/fd/": ""}),
			want:   all,
		},
		"address space": {
			change: tree{"proc/12/limits": limitsFile("100", "1024", "104857600")},
			want:   append(without(), Limit{"RLIMIT_AS of server (pid 12)", AddressSpace, spaceEach, 20000 << 10, 100 << 20, false}),
		},
		"cgroup": {
			change: tree{
				"proc/12/cgroup":                    "0::/web/12\n",
				"sys/fs/cgroup/web/12/pids.max":     "50\n",
				"sys/fs/cgroup/web/12/pids.current": "9\n",
			},
			want: append([]Limit{nproc, pids("/web/12", 9, 50)}, all[1:]...),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, readFake(t, server.with(test.change), test.kinds...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// One look at the host reads what processes share once.
func TestReaderIsOneLook(t *testing.T) {
	root := server.with(tree{
		"proc/13/limits": limitsFile("200", "unlimited", "unlimited"),
	}).write(t)
	r, err := NewReader(root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(tracer.Process{PID: 12}); err != nil {
		t.Fatal(err)
	}
	for _, changed := range []string{"proc/loadavg", "proc/12/status", "proc/14/status"} {
		if err := os.Remove(filepath.Join(root, changed)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := r.Read(tracer.Process{PID: 13, Comm: "bash\n"}, tracer.Zombie)
	if err != nil {
		t.Fatal(err)
	}
	want := []Limit{{"RLIMIT_NPROC of bash\n (pid 13) for user 33", Tasks, taskEach, 7, 200, true}, threadsMax, pidMax}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// ending is the status of a task of the server that has given up its memory, and
// with it or in a moment its descriptors.
var ending = strings.Replace(statusFile(33, 3, none), "VmSize", "VmNone", 1)

// ended is the server after its end, before it is reaped: no more is told of it.
var ended = tree{
	"proc/12/status": ending,
	"proc/12/stat":   statFile(12, "Z", 1, 700),
	"proc/12/maps":   "",
	"proc/12/fd/0":   gone, "proc/12/fd/1": gone, "proc/12/fd/7": gone, "proc/12/fd/": "",
}

// headless is the server with a main thread that has ended, and another that has not.
var headless = ended.with(tree{
	"proc/12/stat":            statFile(12, "Z", 3, 700),
	"proc/12/limits":          gone,
	"proc/12/cgroup":          gone,
	"proc/12/ns/user":         gone,
	"proc/12/task/12/status":  ending,
	"proc/12/task/16/status":  server["proc/12/status"],
	"proc/12/task/16/limits":  server["proc/12/limits"],
	"proc/12/task/16/cgroup":  server["proc/12/cgroup"],
	"proc/12/task/16/maps":    server["proc/12/maps"],
	"proc/12/task/16/ns/user": initNS,
	"proc/12/task/16/fd/0":    "", "proc/12/task/16/fd/1": "", "proc/12/task/16/fd/7": "",
})

// Of a process that has ended there is nothing to say: above all not that it uses
// no descriptors.
func TestReadEnded(t *testing.T) {
	tests := map[string]struct {
		files tree
		of    tracer.Process
	}{
		"gone":                      {server, tracer.Process{PID: 999}},
		"not reaped":                {server.with(ended), tracer.Process{PID: 12}},
		"ending, not a zombie yet":  {server.with(ended).with(tree{"proc/12/stat": statFile(12, "R", 1, 700)}), tracer.Process{PID: 12}},
		"ending, so are its others": {server.with(headless).with(tree{"proc/12/task/16/status": ending}), tracer.Process{PID: 12}},
		"its pid is used again":     {server, tracer.Process{PID: 12, Start: 3e9}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := NewReader(test.files.write(t))
			if err != nil {
				t.Fatal(err)
			}
			limits, err := r.Read(test.of)
			if !errors.Is(err, os.ErrProcessDone) || limits != nil {
				t.Errorf("got %v, %v", limits, err)
			}
		})
	}
}

// What is read of a process while it ends is less than it had.
func TestReadWhileItEnds(t *testing.T) {
	root := server.write(t)
	r, err := NewReader(root)
	if err != nil {
		t.Fatal(err)
	}
	// Asked in the middle, after the first look at the process.
	r.tasks = func() (uint64, bool) {
		status := os.WriteFile(filepath.Join(root, "proc/12/status"), []byte(ending), 0o644)
		descriptors := os.RemoveAll(filepath.Join(root, "proc/12/fd"))
		if err := errors.Join(status, descriptors, os.Mkdir(filepath.Join(root, "proc/12/fd"), 0o755)); err != nil {
			t.Error(err)
		}
		return 290, true
	}
	if limits, err := r.Read(tracer.Process{PID: 12}); !errors.Is(err, os.ErrProcessDone) || limits != nil {
		t.Errorf("got %v, %v", limits, err)
	}
}

func TestLater(t *testing.T) {
	const start = uint64(12_345_678_901) // in the 1235th tick after boot
	tests := map[string]struct {
		ticks  uint64
		asleep time.Duration
		want   bool
	}{
		"itself":                         {1234, 0, false},
		"asleep since":                   {1234, time.Hour, false},
		"asleep before":                  {1234 + 360_000, time.Hour, false},
		"between the clocks":             {1235, 0, false},
		"another":                        {1236, 0, true},
		"another, after the longest nap": {1236 + 360_000, time.Hour, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := later(test.ticks, start, test.asleep); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestReadUnreadableStatus(t *testing.T) {
	whole := statusFile(33, 3, none)
	for _, missing := range []string{"Uid", "Threads", "CapEff"} {
		r, err := NewReader(server.with(tree{"proc/12/status": strings.Replace(whole, missing, "Other", 1)}).write(t))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.Read(tracer.Process{PID: 12})
		if err == nil || !strings.Contains(err.Error(), "read limits of process 12: ") || !strings.Contains(err.Error(), "no Uid, CapEff or Threads") {
			t.Errorf("without %s: %v", missing, err)
		}
	}
}

func TestReaderWithoutProc(t *testing.T) {
	_, err := NewReader(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "is /proc mounted?") {
		t.Errorf("got %v", err)
	}
}
