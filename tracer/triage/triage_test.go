package triage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// machine is a file system with a /proc, that tests add processes to.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T) machine {
	m := machine{t, t.TempDir()}
	m.write("proc/loadavg", "0.00 0.03 0.50 1/290 28865\n")
	m.write("proc/sys/kernel/threads-max", "192730\n")
	m.write("proc/sys/kernel/pid_max", "4194304\n")
	m.write("proc/self/mountinfo", "30 20 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
	return m
}

func (m machine) write(path, text string) {
	m.t.Helper()
	file := filepath.Join(m.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
		m.t.Fatal(err)
	}
}

func (m machine) link(path, target string) {
	m.t.Helper()
	file := filepath.Join(m.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.Symlink(target, file)); err != nil {
		m.t.Fatal(err)
	}
}

// process adds a process; files are what its descriptors are.
func (m machine) process(pid, parent, threads, flags int, state, comm string, files ...string) {
	m.t.Helper()
	m.task(fmt.Sprintf("proc/%d/", pid), pid, parent, threads, flags, state, comm, files...)
}

// headless adds a process whose main thread has ended, which shows that it has a thread.
func (m machine) headless(pid, parent int, comm string, files ...string) {
	m.t.Helper()
	m.process(pid, parent, 2, 0, "Z", comm)
	dir := fmt.Sprintf("proc/%d/", pid)
	m.write(dir+"status", "Name:\tx\nUid:\t0\t0\t0\t0\nThreads:\t2\nCapEff:\t0000000000000000\n")
	if err := os.Remove(filepath.Join(m.root, dir, "ns/net")); err != nil {
		m.t.Fatal(err)
	}
	m.task(fmt.Sprintf("%stask/%d/", dir, pid), pid, parent, 2, 0, "Z", comm)
	m.task(fmt.Sprintf("%stask/%d/", dir, pid+500), pid+500, parent, 2, 0, "S", comm, files...)
}

// task adds a process or a thread of one in a directory.
func (m machine) task(dir string, pid, parent, threads, flags int, state, comm string, files ...string) {
	m.t.Helper()
	m.write(dir+"stat", fmt.Sprintf("%d (%s) %s %d 1 1 0 -1 %d 0 0 0 0 0 0 0 0 20 0 %d 0 %d 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n",
		pid, comm, state, parent, flags, threads, 1000+pid))
	m.write(dir+"status", fmt.Sprintf("Name:\tx\nUid:\t0\t0\t0\t0\nVmSize:\t   20000 kB\nThreads:\t%d\nCapEff:\t0000000000000000\n", threads))
	m.write(dir+"limits", "Limit                     Soft Limit           Hard Limit           Units     \n"+
		"Max open files            64                   unlimited            files     \n")
	m.write(dir+"cgroup", "0::/\n")
	m.link(dir+"ns/user", "user:[4026531837]")
	m.link(dir+"ns/net", "net:[1]")
	if err := os.MkdirAll(filepath.Join(m.root, dir, "fd"), 0o755); err != nil {
		m.t.Fatal(err)
	}
	for fd, file := range files {
		m.link(fmt.Sprintf("%sfd/%d", dir, fd), file)
	}
}

// sockets is a file of sockets in one state, by inode.
func sockets(state int, inodes ...int) string {
	text := "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for i, inode := range inodes {
		text += fmt.Sprintf("%4d: 0100007F:1F90 0100007F:C350 %02X 00000000:00000000 00:00000000 00000000  1000        0 %d 1 0 20 4 30 10 -1\n", i, state, inode)
	}
	return text
}

func (m machine) look() *Look {
	m.t.Helper()
	l, err := Machine(m.root, 99)
	if err != nil {
		m.t.Fatal(err)
	}
	return l
}

func named(pid int, comm string) tracer.Process { return tracer.Process{PID: pid, Comm: comm} }

func TestMachine(t *testing.T) {
	const closeWait, established, kernel = 8, 1, 0x00200000
	hostile := "a) Z 1 (\x1b[2J\n"
	tests := map[string]struct {
		add  func(m machine)
		want Look
	}{
		"nothing odd": {func(m machine) {
			m.process(1, 0, 1, 0, "S", "init")
			m.process(2, 0, 300, kernel, "S", "kthreadd")
			m.process(99, 1, 900, 0, "R", "leaktrace")
		}, Look{Processes: 1}},
		"zombies": {func(m machine) {
			m.process(1, 0, 1, 0, "S", "init")
			m.process(7, 1, 2, 0, "S", "cron")
			m.process(8, 7, 1, 0, "Z", "mail")
			m.process(9, 7, 1, 0, "Z", hostile)
			m.process(10, 7, 1, 0, "Z", hostile)
			m.process(11, 7, 2, 0, "Z", "headless") // its main thread has ended, it has not
		}, Look{Processes: 6, Worst: []Process{
			{Process: named(7, "cron"), Threads: 2, Zombies: []Name{{hostile, 2}, {"mail", 1}}},
		}}},
		"sockets, of either protocol": {func(m machine) {
			m.process(7, 1, 1, 0, "S", "orders", "/dev/null", "socket:[41]", "socket:[42]", "socket:[42]", "socket:[50]", "pipe:[41]")
			m.process(8, 7, 1, 0, "S", "worker", "socket:[42]", "socket:[x]")
			m.write("proc/7/net/tcp", sockets(closeWait, 41, 42, 0))
			m.write("proc/7/net/tcp6", sockets(closeWait, 43))
			m.write("proc/8/net/tcp", sockets(closeWait, 41, 42, 0))
			m.write("proc/8/net/tcp6", sockets(closeWait, 43))
		}, Look{Processes: 2, Unowned: 1, Worst: []Process{
			{Process: named(7, "orders"), Threads: 1, Descriptors: 6, CloseWait: 2},
			{Process: named(8, "worker"), Threads: 1, Descriptors: 2, CloseWait: 1},
		}}},
		"a process whose main thread has ended": {func(m machine) {
			files := strings.Split(strings.Repeat("/dev/null ", 48), " ")[:48]
			m.headless(7, 1, "orders", append(files, "socket:[41]", "socket:[42]")...)
			m.write("proc/7/task/507/net/tcp", sockets(closeWait, 41, 42))
			m.write("proc/7/task/507/net/tcp6", "")
		}, Look{Processes: 1, Worst: []Process{
			{Process: named(7, "orders"), Threads: 2, Descriptors: 50, CloseWait: 2, Limits: []limit.Limit{nofile("orders (pid 7)", 50)}},
		}}},
		"a process that ends has no namespace any more": {func(m machine) {
			m.process(7, 1, 1, 0, "S", "orders", "socket:[41]")
			m.write("proc/7/net/tcp", sockets(closeWait, 41))
			m.write("proc/7/net/tcp6", "")
			if err := os.Remove(filepath.Join(m.root, "proc/7/ns/net")); err != nil {
				m.t.Fatal(err)
			}
		}, Look{Processes: 1}},
		"sockets of processes that hide them": {func(m machine) {
			m.process(99, 1, 1, 0, "R", "leaktrace", "socket:[7]")
			m.write("proc/99/net/tcp", sockets(closeWait, 41, 42)+"garbage\n  9: 0 0 08\n")
			m.write("proc/99/net/tcp6", "")
		}, Look{Unowned: 2}},
		"sockets in use": {func(m machine) {
			m.process(7, 1, 1, 0, "S", "orders", "socket:[41]")
			m.write("proc/7/net/tcp", sockets(established, 41))
			m.write("proc/7/net/tcp6", sockets(established))
		}, Look{Processes: 1}},
		"threads": {func(m machine) {
			m.process(7, 1, ManyThreads-1, 0, "S", "many")
			m.process(8, 1, ManyThreads, 0, "S", "too-many")
		}, Look{Processes: 2, Worst: []Process{{Process: named(8, "too-many"), Threads: ManyThreads}}}},
		"a limit, before all else": {func(m machine) {
			m.process(7, 1, 900, 0, "S", "threads")
			m.process(8, 1, 1, 0, "S", "files", strings.Split(strings.Repeat("/dev/null ", 48), " ")[:48]...)
			m.process(9, 1, 1, 0, "S", "fewer", strings.Split(strings.Repeat("/dev/null ", 47), " ")[:47]...)
		}, Look{Processes: 3, Worst: []Process{
			{Process: named(8, "files"), Threads: 1, Descriptors: 48, Limits: []limit.Limit{nofile("files (pid 8)", 48)}},
			{Process: named(7, "threads"), Threads: 900},
		}}},
		"a limit that others fill": {func(m machine) {
			m.process(7, 1, 250, 0, "S", "most")
			m.process(8, 1, 40, 0, "S", "some")
			m.process(9, 1, 24, 0, "S", "few")
			m.write("proc/sys/kernel/threads-max", "300\n")
		}, Look{Processes: 3, Worst: []Process{
			{Process: named(7, "most"), Threads: 250, Limits: []limit.Limit{threadsMax}},
			{Process: named(8, "some"), Threads: 40, Limits: []limit.Limit{threadsMax}},
		}}},
		"what has ended meanwhile": {func(m machine) {
			m.process(7, 1, 1, 0, "S", "gone")
			if err := os.Remove(filepath.Join(m.root, "proc/7/stat")); err != nil {
				m.t.Fatal(err)
			}
			m.process(8, 7, 1, 0, "Z", "orphan")
		}, Look{Processes: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			tt.add(m)
			if diff := cmp.Diff(&tt.want, m.look(), cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func nofile(of string, used uint64) limit.Limit {
	return limit.Limit{
		Name: "RLIMIT_NOFILE of " + of, Resource: limit.Descriptors,
		Each: map[tracer.Kind]uint64{tracer.CloseWait: 1}, Used: used, Max: 64,
	}
}

var threadsMax = limit.Limit{
	Name: "kernel.threads-max", Resource: limit.Tasks,
	Each: map[tracer.Kind]uint64{tracer.Zombie: 1, tracer.Thread: 1}, Used: 290, Max: 300, Shared: true,
}

func TestNoProc(t *testing.T) {
	empty := t.TempDir()
	if err := os.Mkdir(filepath.Join(empty, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{t.TempDir(), empty} {
		if _, err := Machine(root, 1); err == nil || !strings.Contains(err.Error(), "is /proc mounted?") {
			t.Errorf("got %v", err)
		}
	}
}
