/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * twin.bpf.h: hooks that are loaded twice. The kernel skips a program that is
 * running on this CPU already. Up to 6.18 nothing but an interrupt runs beside a
 * tracepoint's programs. Linux 7 preempts them, and what the next tasks do on
 * that CPU, until the preempted one runs again, would not be seen: they may
 * create hundreds of threads in that time. So each hook that must see all has a
 * twin there, attached after it, which does the work when the first has not.
 */
#ifndef LEAK_TWIN_BPF_H
#define LEAK_TWIN_BPF_H

/* Whether hooks have twins here, and whether this is one. Set by Go. */
const volatile bool twins = false;
const volatile bool twin = false;

/* The first of two does nothing, as if it was always skipped. Set by Go in tests. */
const volatile bool first_skipped = false;

/* seen: what the first hooks have seen last, by the current tid. */
#define LEAK_SEEN 1024
__u64 seen[LEAK_SEEN];

/*
 * is_done tells whether the other of two hooks does, or has done, what is to be
 * done about an event of the current task. The event has a number that no other
 * of its task has. Two tasks may share a place, and one run between the other's
 * two hooks: then both do it, and it is counted twice.
 */
static __always_inline bool is_done(__u64 event)
{
	__u64 *last;

	if (!twins)
		return false;
	if (first_skipped && !twin)
		return true;
	last = &seen[(__u32)bpf_get_current_pid_tgid() % LEAK_SEEN];
	if (!twin) {
		*last = event;
		return false;
	}
	if (*last != event)
		return false;
	*last = 0;
	return true;
}

#endif
