package main

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lastingRights are the capabilities that tracing a node needs for as long as it
// lasts: to read processes of other users and their files, and files that were
// deleted. Those that load and attach programs are needed to start only.
const lastingRights = 1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_CHECKPOINT_RESTORE

// dropInherited gives up for good the way to new capabilities by a set-uid program, and
// those of whatever this process may be made to run. It comes before tracing is
// begun: each of its forty system calls stops all threads, which on a busy machine took
// a second and more once one of them followed a flood of events.
func dropInherited() error {
	if err := everyThread("PR_SET_NO_NEW_PRIVS", unix.PR_SET_NO_NEW_PRIVS, 1); err != nil {
		return err
	}
	had, err := permitted()
	if err != nil {
		return err
	}
	return clearInherited(had)
}

// dropRights gives up for good every capability that is not needed once all
// programs are attached.
//
// Kernels before 5.19 ask for CAP_BPF whenever a map is read. Whether this one
// does is found out by trying: works is called once without, and is to fail where
// tracing cannot go on so. Then the capabilities for BPF are kept, and kept is
// true. What else works fails with is broken, and keeps no rights.
func dropRights(works func() error) (kept bool, broken, err error) {
	had, err := permitted()
	if err != nil {
		return false, nil, err
	}
	return narrow(had, setCapabilities, works)
}

// narrow gives up those of the capabilities that were had without which it works.
func narrow(had uint64, set func(effective, permitted uint64) error, works func() error) (kept bool, broken, err error) {
	for _, keep := range []uint64{lastingRights, lastingRights | 1<<unix.CAP_BPF | 1<<unix.CAP_PERFMON} {
		// Only what is still permitted can be taken up again.
		if err := set(had&keep, had); err != nil {
			return false, nil, err
		}
		if err = works(); !errors.Is(err, unix.EPERM) {
			return keep != lastingRights, err, set(had&keep, had&keep)
		}
	}
	return true, nil, err
}

// clearInherited empties what a program that is executed could get back. The
// bounding set can be changed only by who may set capabilities; of others
// PR_SET_NO_NEW_PRIVS takes care.
func clearInherited(had uint64) error {
	if err := everyThread("PR_CAP_AMBIENT_CLEAR_ALL", unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL); err != nil {
		return err
	}
	if had&(1<<unix.CAP_SETPCAP) == 0 {
		return nil
	}
	for c := uintptr(0); c < 64; c++ {
		err := everyThread("PR_CAPBSET_DROP", unix.PR_CAPBSET_DROP, c)
		if errors.Is(err, unix.EINVAL) {
			return nil // this kernel has no more capabilities
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// permitted are the capabilities that this process may use.
func permitted() (uint64, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("look at own capabilities: %w", err)
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// setCapabilities sets those that are in effect and those that may be taken up.
// Programs that are executed inherit none.
func setCapabilities(effective, permitted uint64) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(effective), Permitted: uint32(permitted)},
		{Effective: uint32(effective >> 32), Permitted: uint32(permitted >> 32)},
	}
	_, _, errno := syscall.AllThreadsSyscall(unix.SYS_CAPSET,
		uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&data)), 0)
	return refused("capset", errno)
}

// everyThread makes a prctl call in all threads of this process: to the kernel
// rights are a thread's own, and Go runs any code on any thread.
func everyThread(name string, option, arg uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(unix.SYS_PRCTL, option, arg, 0, 0, 0, 0)
	return refused(name, errno)
}

// refused is the error of a system call by which rights are given up.
func refused(name string, errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.ENOTSUP:
		return errors.New("give up capabilities: not possible in a program that was built with cgo; build leaktrace with CGO_ENABLED=0")
	}
	return fmt.Errorf("give up capabilities: %s: %w", name, errno)
}
