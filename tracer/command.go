package tracer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// Start starts a command and traces it from its first instruction on. The
// command is held with ptrace, only until its shared libraries are mapped and
// their unwind tables are in place; then it runs untouched. The caller waits
// for it with cmd.Wait.
func (t *Tracer) Start(cmd *exec.Cmd) error {
	// The kernel takes ptrace requests only from the thread that forked.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Ptrace = true
	if err := cmd.Start(); err != nil {
		return err
	}
	pid := cmd.Process.Pid
	err := t.hold(pid)
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	return err
}

// hold takes a command from exec to its entry point and lets go of it.
func (t *Tracer) hold(pid int) error {
	if _, err := waitStop(pid); err != nil {
		return fmt.Errorf("wait for exec of process %d: %w", pid, err)
	}
	// Constructors of shared libraries run before the entry point.
	if err := t.Trace(pid); err != nil {
		return err
	}
	stopped, err := runToEntry(pid)
	if err != nil {
		return fmt.Errorf("hold process %d at its entry point: %w", pid, err)
	}
	if !stopped {
		return nil // it ended in its dynamic linker
	}
	t.mu.Lock()
	t.target.ours = true
	err = t.sync(t.target)
	t.mu.Unlock()
	return errors.Join(err, unix.PtraceDetach(pid))
}

// runToEntry lets the dynamic linker do its work: it sets a breakpoint on the
// program's entry point, continues, and takes the breakpoint away again. It
// reports whether the process got there.
func runToEntry(pid int) (bool, error) {
	entry, err := entryPoint(pid)
	if err != nil {
		return false, err
	}
	code := make([]byte, len(breakpoint))
	if _, err := unix.PtracePeekText(pid, entry, code); err != nil {
		return false, fmt.Errorf("read code: %w", err)
	}
	if _, err := unix.PtracePokeText(pid, entry, breakpoint); err != nil {
		return false, fmt.Errorf("write breakpoint: %w", err)
	}
	signal := 0
	for {
		if err := unix.PtraceCont(pid, signal); err != nil {
			return false, fmt.Errorf("continue: %w", err)
		}
		status, err := waitStop(pid)
		if err != nil || !status.Stopped() {
			return false, err
		}
		signal = int(status.StopSignal())
		if status.StopSignal() == syscall.SIGTRAP {
			break
		}
	}
	if _, err := unix.PtracePokeText(pid, entry, code); err != nil {
		return false, fmt.Errorf("take breakpoint away: %w", err)
	}
	return true, rewind(pid, entry)
}

// waitStop waits until a traced child stops. One that has ended is left for
// exec.Cmd to reap.
func waitStop(pid int) (syscall.WaitStatus, error) {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WSTOPPED|unix.WNOWAIT, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if info.Code == cldExited || info.Code == cldKilled || info.Code == cldDumped {
			return 0, nil
		}
		var status syscall.WaitStatus
		_, err = syscall.Wait4(pid, &status, syscall.WALL, nil)
		return status, err
	}
}

// Reasons in a SIGCHLD's si_code (siginfo.h).
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3
)

// atEntry is the entry point's key in the auxiliary vector (AT_ENTRY).
const atEntry = 9

// entryPoint reads where the program itself begins, after its dynamic linker.
func entryPoint(pid int) (uintptr, error) {
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return 0, err
	}
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.NativeEndian.Uint64(auxv) == atEntry {
			return uintptr(binary.NativeEndian.Uint64(auxv[8:])), nil
		}
	}
	return 0, errors.New("no AT_ENTRY in its auxiliary vector")
}
