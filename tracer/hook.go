package tracer

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
)

// hook is one BPF program and when it is wanted. To add a resource, add rows.
type hook struct {
	program string
	// tracepoint is what a tp_btf program attaches to; empty for others.
	tracepoint string
	// function is what an fexit program attaches to the end of; empty for others.
	// Whether a kernel allows that it does not tell: it is tried.
	function string
	// instead is what is done where the kernel refuses the hook; empty where
	// tracing is then refused too.
	instead string
	// kinds are the kinds that need the hook; nil when all do.
	kinds []Kind
	// follows says that descendants cannot be traced without it, of any kind.
	follows bool
	// unless names a tracepoint that makes this hook superfluous.
	unless string
	// optional hooks are left out where the kernel has no such tracepoint.
	optional bool
	// twin says that nothing makes good what the hook has not seen: see twin.go.
	twin bool
	// purpose is what the hook is for, in a user's words.
	purpose string
}

var (
	taskKinds   = []Kind{Zombie, Thread, UnjoinedThread}
	socketKinds = []Kind{CloseWait}
)

var hooks = []hook{
	{program: ledgerProgTaskNewtask, tracepoint: "task_newtask", kinds: taskKinds, follows: true, twin: true, purpose: "children and threads created"},
	{program: ledgerProgSchedProcessExit, tracepoint: "sched_process_exit", twin: true, purpose: "threads and processes that end"},
	{program: ledgerProgSchedProcessExec, tracepoint: "sched_process_exec", purpose: "new process images"},
	{program: ledgerProgInetSockSetState, tracepoint: "inet_sock_set_state", kinds: socketKinds, twin: true, purpose: "connect and CLOSE_WAIT"},
	{program: ledgerProgInetCskAccept, function: "inet_csk_accept", kinds: socketKinds, instead: "the first use of an accepted socket", purpose: "accept"},
	{program: ledgerProgSockRecvLength, tracepoint: "sock_recv_length", kinds: socketKinds, optional: true, purpose: "reads of sockets (6.3 and later)"},
	{program: ledgerProgSockSendLength, tracepoint: "sock_send_length", kinds: socketKinds, optional: true, purpose: "writes of sockets (6.3 and later)"},
	{program: ledgerProgTcpRcvSpaceAdjust, tracepoint: "tcp_rcv_space_adjust", kinds: socketKinds, unless: "sock_recv_length", purpose: "reads of sockets (before 6.3)"},
	{program: ledgerProgMarkTasks, kinds: taskKinds, follows: true, purpose: "list of tasks older than tracing"},
	{program: ledgerProgMarkSockets, kinds: socketKinds, purpose: "list of sockets older than tracing"},
	{program: ledgerProgSnapshotTasks, kinds: taskKinds, purpose: "list of children and threads"},
	{program: ledgerProgSnapshotSockets, kinds: socketKinds, purpose: "list of sockets"},
	{program: ledgerProgSnapshotProcesses, purpose: "list of traced processes"},
	{program: ledgerProgParkedTasks, kinds: []Kind{Thread}, purpose: "where threads are now"},
}

// wanted reports whether the hook serves these options on this kernel.
func (h hook) wanted(kernel *btf.Spec, options Options) bool {
	kinds := options.Kinds
	serves := h.kinds == nil || len(kinds) == 0 || h.follows && options.Follow ||
		slices.ContainsFunc(kinds, func(k Kind) bool { return slices.Contains(h.kinds, k) })
	if !serves || (h.unless != "" && hasTracepoint(kernel, h.unless)) {
		return false
	}
	return !h.optional || hasTracepoint(kernel, h.tracepoint)
}

// hasTracepoint looks for the function type the kernel keeps for each
// tracepoint that BPF can attach to by type.
func hasTracepoint(kernel *btf.Spec, name string) bool {
	var trace *btf.Typedef
	return kernel.TypeByName("btf_trace_"+name, &trace) == nil
}

// attach attaches a loaded hook.
func (h hook) attach(program *ebpf.Program) (link.Link, error) {
	var l link.Link
	var err error
	if h.tracepoint == "" && h.function == "" {
		l, err = link.AttachIter(link.IterOptions{Program: program})
	} else {
		l, err = link.AttachTracing(link.TracingOptions{Program: program})
	}
	if err != nil {
		return nil, explain("attach "+h.program, err)
	}
	return l, nil
}

// load loads the hook's program by itself, on maps that are there already or,
// when there are none, on its own.
func (h hook) load(maps map[string]*ebpf.Map) (*ebpf.Program, error) {
	spec, err := loadLedger()
	if err != nil {
		return nil, fmt.Errorf("read embedded BPF programs: %w", err)
	}
	for name := range spec.Programs {
		if name != h.program {
			delete(spec.Programs, name)
		}
	}
	for name, m := range maps {
		spec.Maps[name].MaxEntries = m.MaxEntries() // or it would be another map
	}
	collection, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: maps})
	if err != nil {
		return nil, explain("load "+h.program, err)
	}
	defer collection.Close()
	return collection.DetachProgram(h.program), nil
}

// explain adds what to do about the kernel's usual refusals.
func explain(attempt string, err error) error {
	var verifier *ebpf.VerifierError
	switch {
	// The verifier refuses with EACCES too, but never without saying why.
	case errors.As(err, &verifier) && len(verifier.Log) > 0:
		return fmt.Errorf("%s: %w (run leaktrace doctor)", attempt, err)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s: permission denied (needs CAP_BPF, CAP_PERFMON, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or root)", attempt)
	case errors.Is(err, os.ErrNotExist), errors.Is(err, btf.ErrNotFound):
		return fmt.Errorf("%s: %w (run leaktrace doctor to see what this kernel lacks)", attempt, err)
	}
	return fmt.Errorf("%s: %w", attempt, err)
}

// explainRead adds what to do about a process that even root may not read.
func explainRead(attempt string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%s: %w (it may have rights that leaktrace lacks, or a security module protects it: "+
			"run leaktrace as root of the host, outside of containers; see leaktrace doctor)", attempt, err)
	}
	return fmt.Errorf("%s: %w", attempt, err)
}

// kernelTypes reads the running kernel's BTF.
func kernelTypes() (*btf.Spec, error) {
	kernel, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("read kernel types: %w (needs a kernel built with CONFIG_DEBUG_INFO_BTF; there is no /sys/kernel/btf/vmlinux)", err)
	}
	return kernel, nil
}
