/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * window.bpf.h: a walk up a user stack, its scratch space, and how it reads the
 * user's memory.
 */
#ifndef LEAK_WINDOW_BPF_H
#define LEAK_WINDOW_BPF_H

#define LEAK_SLOTS 4
#define LEAK_WINDOW 2048
/* What is further below a thread's own stack's top is no part of it. */
#define LEAK_STACK_SIZE (8 << 20)

struct leak_slot {
	__u64 busy;
	struct leak_stack stack;
	__u8 window[LEAK_WINDOW]; /* a copy of the top of the user stack */
};

/*
 * slots: scratch for the stacks being captured on a CPU. A program claims a
 * slot by compare-and-exchange, since it can be interrupted, and from 7.x on
 * preempted, by another that needs one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAK_SLOTS);
	__type(key, __u32);
	__type(value, struct leak_slot);
} slots SEC(".maps");

/* leak_walk is a walk in progress; it lives on the BPF stack. */
struct leak_walk {
	struct leak_regs regs;
	__u64 top; /* the stack's, if it is the thread's own */
	__u64 window; /* address of the copy in the slot's window */
	__u64 hash; /* of the frames so far */
	__u64 seed; /* of the space */
	__u32 window_size;
	__u32 slot;
	__u32 depth; /* frames so far */
	__u32 space; /* id */
	__u32 leaf; /* regs are those of the leaf frame */
	__u32 exact; /* ip is where the code was interrupted, not a return address */
	__u32 fp_used;
};

static __always_inline int window_copy(struct leak_walk *walk, struct leak_slot *slot, __u64 address,
				       __u64 size)
{
	barrier_var(size);
	walk->window = address;
	walk->window_size = 0;
	if (size > LEAK_WINDOW || bpf_probe_read_user(slot->window, size, (void *)address))
		return -1;
	walk->window_size = size;
	return 0;
}

/*
 * window_fill copies user memory from address on: as far as the stack goes, for a
 * second copy would cost as much as the first; or where a page of that was never
 * touched, to the end of the page, which is there if address is.
 */
static __always_inline int window_fill(struct leak_walk *walk, struct leak_slot *slot, __u64 address)
{
	__u64 page = LEAK_PAGE_SIZE - (address & (LEAK_PAGE_SIZE - 1)), above = walk->top - address;

	if (page > LEAK_WINDOW)
		page = LEAK_WINDOW;
	if (above > LEAK_WINDOW)
		above = above < LEAK_STACK_SIZE ? LEAK_WINDOW : 0;
	if (above > page && !window_copy(walk, slot, address, above))
		return 0;
	return window_copy(walk, slot, address, page);
}

/*
 * read_user reads a word of user memory by way of the window: the words of a
 * stack are near each other, and one copy of many costs as much as five of
 * them.
 */
static __always_inline int read_user(struct leak_walk *walk, struct leak_slot *slot, __u64 *value,
				     __u64 address)
{
	__u64 offset = address - walk->window;

	if (offset + sizeof(*value) > walk->window_size || offset > LEAK_WINDOW) {
		/* A word across two pages, or none of a stack's. */
		if (address % sizeof(*value))
			return bpf_probe_read_user(value, sizeof(*value), (void *)address);
		if (window_fill(walk, slot, address))
			return -1;
		offset = 0;
	}
	barrier_var(offset);
	if (offset > LEAK_WINDOW - sizeof(*value))
		return -1;
	*value = *(__u64 *)&slot->window[offset];
	return 0;
}

#endif
