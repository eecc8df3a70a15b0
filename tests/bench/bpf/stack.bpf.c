/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stack.bpf.c: the capture of one stack, and nothing else, to be run by the
 * system call BPF_PROG_TEST_RUN from the thread whose stack it is. It is built
 * of leaktrace's own sources and works on the maps of a running leaktrace.
 */
#include "leaktrace.bpf.c"

SEC("raw_tp")
int capture_once(void *unused)
{
	struct leak_proc *proc = traced();

	/* As of a use, for those are not sampled, however many there are. */
	return proc && !capture_stack(proc, LEAK_USE);
}

SEC("raw_tp")
int capture_nothing(void *unused)
{
	return 0;
}
