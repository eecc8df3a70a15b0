/* SPDX-License-Identifier: GPL-2.0-only */
/* kernel.bpf.h: kernel constants that are macros and so not in BTF, and a difference between kernels. */
#ifndef LEAK_KERNEL_BPF_H
#define LEAK_KERNEL_BPF_H

#define LEAK_E2BIG 7
#define LEAK_EEXIST 17
#define LEAK_AF_INET 2
#define LEAK_AF_INET6 10
#define CLONE_THREAD 0x00010000
#define LEAK_MSG_PEEK 0x2
#define LEAK_EXIT_ZOMBIE 0x20
#define LEAK_SIGNAL_GROUP_EXIT 0x4

#define LEAK_PF_EXITING 0x00000004
/* Tasks without user registers: io_uring workers, vhost and kernel threads. */
#define LEAK_PF_IO_WORKER 0x00000010
#define LEAK_PF_USER_WORKER 0x00004000 /* from 6.4 on; unused bit before */
#define LEAK_PF_KTHREAD 0x00200000
#define LEAK_PF_KERNEL_WORKER (LEAK_PF_IO_WORKER | LEAK_PF_USER_WORKER | LEAK_PF_KTHREAD)

/*
 * map_insert makes an entry, or returns -LEAK_EEXIST where there is one. It returns an
 * int because map operations did before 6.4 (kernel commit d7ba4cc900bf): the upper
 * half of what they leave is no sign.
 */
static __always_inline int map_insert(void *map, const void *key, const void *value)
{
	return bpf_map_update_elem(map, key, value, BPF_NOEXIST);
}

extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

/* Tracing programs can be preempted. Set by Go before loading. */
const volatile bool preemptible = false;

/*
 * hook_begin and hook_end keep a hook on its processor. Were another task to run there
 * meanwhile, the kernel would not run the same hook for it (prog->active), and what it
 * creates or gives back would not be seen. A hook that an interrupt brings in between
 * is left out all the same, and counted by the kernel.
 */
static __always_inline void hook_begin(void)
{
	if (preemptible)
		bpf_preempt_disable();
}

static __always_inline int hook_end(void)
{
	if (preemptible)
		bpf_preempt_enable();
	return 0;
}

#endif
