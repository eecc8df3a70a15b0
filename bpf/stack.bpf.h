/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stack.bpf.h: capture_stack walks the user stack of the current task and
 * keeps it. It may be called wherever current is the task that entered the
 * kernel: never in softirq, and not at process exit, where kernels before 6.16
 * have given up the address space already.
 */
#ifndef LEAK_STACK_BPF_H
#define LEAK_STACK_BPF_H

/*
 * stacks: stack id -> leak_stack. Written at the first sight of a stack. The
 * id is a hash of all its content, so an entry never changes. Deleted by Go when
 * no object has had the stack for a while; if it comes again it is stored again.
 * Few programs have many, and an entry takes 2 KB: so none has memory before it
 * is needed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct leak_stack);
} stacks SEC(".maps");

/*
 * uses: the same for stacks that used a socket. There may be any number of
 * them, and only a socket's last one matters: those not seen for long make room.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct leak_stack);
} uses SEC(".maps");

/* slot_claim returns a free slot and its number, or NULL. */
static __always_inline struct leak_slot *slot_claim(__u32 *number)
{
	for (__u32 i = 0; i < LEAK_SLOTS; i++) {
		struct leak_slot *slot;

		*number = i;
		slot = bpf_map_lookup_elem(&slots, number);
		if (slot && !__sync_val_compare_and_swap(&slot->busy, 0, 1))
			return slot;
	}
	return NULL;
}

static __always_inline void slot_release(struct leak_slot *slot)
{
	__sync_lock_test_and_set(&slot->busy, 0);
}

/* walk_begin prepares a walk of the current task; it says whether it can. */
static __always_inline int walk_begin(struct leak_walk *walk, __u32 space_id)
{
	struct task_struct *current = bpf_get_current_task_btf();
	__u32 key = space_id % LEAK_SPACES;
	struct leak_space *space = bpf_map_lookup_elem(&spaces, &key);
	__u64 start_stack;

	/* io_uring workers and the like have no user registers. */
	if (current->flags & LEAK_PF_KERNEL_WORKER)
		return LEAK_STACK_NONE;
	start_stack = current->mm->start_stack;
	if (!space || !space_id || space->id != space_id || space->start_stack != start_stack)
		return LEAK_STACK_NO_MAPPING;
	arch_user_regs(&walk->regs, (struct pt_regs *)bpf_task_pt_regs(current));
	walk->top = current->pid == current->tgid ? start_stack : arch_tcb(current);
	walk->space = space_id;
	walk->seed = space_seed(space_id);
	walk->leaf = 1;
	return LEAK_STEP_ON;
}

/* walk_stack fills the slot's stack and returns the hash of its frames. */
static __always_inline __u64 walk_stack(struct leak_slot *slot, __u32 number)
{
	struct leak_walk walk = {
		.slot = number,
		.hash = hash_mix(space_seed(slot->stack.space), slot->stack.scope),
	};
	int done = walk_begin(&walk, slot->stack.space);

	/* The last call, if each crosses but one frame, finds that it is one too many. */
	for (int i = 0; i <= LEAK_MAX_FRAMES && done == LEAK_STEP_ON; i++)
		done = walk_on(&walk);
	slot->stack.depth = walk.depth;
	slot->stack.quality = done;
	return hash_mix(walk.hash, done);
}

/*
 * use_store keeps a stack that used a socket and was not seen before. Who has new
 * ones all the time would put out those of others.
 */
static __always_inline void use_store(__u64 id, struct leak_stack *stack)
{
	if (bpf_map_lookup_elem(&uses, &id) || !rate_allows(stack->scope, LEAK_BUDGET_USES))
		return;
	if (bpf_map_update_elem(&uses, &id, stack, BPF_ANY))
		count(LEAK_LOST_STACK);
	else
		notify(LEAK_EVENT_STACK, LEAK_BUDGET_EVENTS, stack->scope,
		       bpf_get_current_pid_tgid() >> 32, id);
}

/* stack_store keeps a stack that was not seen before, if there is room for it. */
static __always_inline bool stack_store(__u64 id, struct leak_stack *stack)
{
	int error;

	if (bpf_map_lookup_elem(&stacks, &id))
		return true;
	if (!entry_taken(stack->scope, LEAK_BUDGET_STACKS))
		return false;
	error = map_insert(&stacks, &id, stack);
	if (!error) {
		notify(LEAK_EVENT_STACK, LEAK_BUDGET_EVENTS, stack->scope,
		       bpf_get_current_pid_tgid() >> 32, id);
		return true;
	}
	entry_given(stack->scope, LEAK_BUDGET_STACKS);
	/* Of two that are here at once the first has stored the same. */
	if (error == -LEAK_EEXIST)
		return true;
	count(LEAK_LOST_STACK);
	return false;
}

/*
 * stack_id makes an id of a hash. Its low bits tell the kind, also when the
 * stack itself could not be kept, and make it never 0.
 */
static __always_inline __u64 stack_id(__u64 hash, enum leak_kind kind)
{
	return (hash & ~(__u64)LEAK_ID_MASK) | kind;
}

/* no_stack is an id for want of a stack: what is 0 or LEAK_ID_UNSAMPLED. */
static __always_inline __u64 no_stack(__u64 what, __u32 scope, enum leak_kind kind)
{
	return stack_id((__u64)scope << LEAK_ID_SCOPE_SHIFT | what, kind);
}

/*
 * How many stacks of a process are rescued in a second, and whether all are that
 * objects are created from, which is how the two unwinders are compared. Set by
 * Go in tests.
 */
const volatile __u32 rescue_rate = LEAK_RESCUE_RATE;
const volatile bool rescue_all = false;

/* rescue_allowed counts a rescue of a process against its rate. */
static __always_inline bool rescue_allowed(struct leak_proc *proc)
{
	__u64 second = bpf_ktime_get_ns() / 1000000000;

	if (proc->rescue_second != second) {
		proc->rescue_second = second;
		proc->rescues = 0;
	}
	return __sync_fetch_and_add(&proc->rescues, 1) < rescue_rate;
}

/*
 * stack_rescue sends registers and the top of the stack to Go, for want of
 * tables. It returns the id of a stack that only Go will know, or 0.
 */
static __always_inline __u64 stack_rescue(struct leak_proc *proc, enum leak_kind kind)
{
	struct task_struct *current = bpf_get_current_task_btf();
	struct leak_rescue *rescue;
	__u64 base;

	if (!rescue_allowed(proc) || !rate_allows(proc->scope, LEAK_BUDGET_RESCUES))
		return 0;
	rescue = bpf_ringbuf_reserve(&events, sizeof(*rescue), 0);
	if (!rescue) {
		count(LEAK_LOST_EVENT);
		return 0;
	}
	rescue->type = LEAK_EVENT_RESCUE;
	rescue->tgid = current->tgid;
	rescue->id = stack_id(hash_mix(bpf_ktime_get_ns(), bpf_get_current_pid_tgid()), kind) |
		     LEAK_ID_RESCUED;
	rescue->start_stack = current->mm->start_stack;
	arch_user_regs(&rescue->regs, (struct pt_regs *)bpf_task_pt_regs(current));
	base = rescue->regs.sp & ~(__u64)(LEAK_PAGE_SIZE - 1);
	rescue->pages = 0;
	for (int i = 0; i < LEAK_RESCUE_PAGES; i++) {
		if (bpf_probe_read_user(&rescue->memory[i * LEAK_PAGE_SIZE], LEAK_PAGE_SIZE,
					(void *)(base + i * LEAK_PAGE_SIZE)))
			break;
		rescue->pages = i + 1;
	}
	base = rescue->id;
	bpf_ringbuf_submit(rescue, 0);
	count(LEAK_STACK_RESCUE);
	return base;
}

#define LEAK_FLOOD_LONGEST (1ULL << 40)

/* How many stacks a process may have captured in that time. Set by Go in tests. */
const volatile __u32 stack_budget = (__u64)LEAK_STACK_RATE * (1 << LEAK_SECOND_SHIFT) / 1000000000;

/* The rarest sampling there was: 1 in so many. Read by Go. */
volatile __u32 sampled_one_in = 1;

/*
 * flood_look sees whether a process creates more than the budget. About once a
 * second it begins to count anew, and samples as the last time made necessary.
 */
static __always_inline void flood_look(struct leak_proc *proc, __u64 births)
{
	__u64 now = bpf_ktime_get_ns(), took = now - proc->flood_began, one_in = 1, allowed;

	if ((__s64)took < 0)
		return; /* another has begun anew meanwhile */
	if (took >> LEAK_SECOND_SHIFT) {
		if (took > LEAK_FLOOD_LONGEST)
			took = LEAK_FLOOD_LONGEST;
		allowed = took * stack_budget >> LEAK_SECOND_SHIFT;
		for (int i = 0; i < 16 && births > one_in * allowed; i++)
			one_in *= 2;
		proc->one_in = one_in;
		proc->births = 0;
		proc->flood_began = now;
	} else if (births >= proc->one_in * stack_budget) {
		proc->one_in *= 2;
	}
	if (proc->one_in > sampled_one_in)
		sampled_one_in = proc->one_in;
}

/* A look costs as much as a clock does. Of so many creations one takes it, and in
 * a flood each, lest its end goes unnoticed. */
#define LEAK_FLOOD_LOOKS 64

/*
 * unsampled counts a creation and tells whether its stack is left out, since the
 * process creates more than anybody can look at. It is by chance: a program that
 * creates by turns would otherwise have always the same ones left out.
 */
static __always_inline bool unsampled(struct leak_proc *proc)
{
	__u64 births = __sync_fetch_and_add(&proc->births, 1);

	if (proc->one_in > 1 || !(births % LEAK_FLOOD_LOOKS) || births >= proc->one_in * stack_budget)
		flood_look(proc, births);
	if (proc->one_in <= 1 || !(bpf_get_prandom_u32() & (proc->one_in - 1)))
		return false;
	count(LEAK_STACK_UNSAMPLED);
	return true;
}

/* capture_stack stores the current user stack and returns its id. */
static __always_inline __u64 capture_stack(struct leak_proc *proc, enum leak_kind kind)
{
	struct leak_slot *slot;
	__u32 number;
	__u64 id;

	if (kind != LEAK_USE && unsampled(proc))
		return no_stack(LEAK_ID_UNSAMPLED, proc->scope, kind);
	slot = slot_claim(&number);
	if (!slot) {
		count(LEAK_LOST_SLOT);
		return no_stack(0, proc->scope, kind);
	}
	slot->stack.space = proc->space;
	slot->stack.scope = proc->scope;
	slot->stack.kind = kind;
	id = stack_id(walk_stack(slot, number), kind);
	if (slot->stack.quality == LEAK_STACK_NO_MAPPING || (rescue_all && kind != LEAK_USE)) {
		/* Of uses there will be more, when the mappings are known. */
		__u64 rescued = kind == LEAK_USE ? 0 : stack_rescue(proc, kind);

		if (rescued) {
			slot_release(slot);
			return rescued;
		}
		notify(LEAK_EVENT_UNMAPPED, LEAK_BUDGET_LOOKS, proc->scope,
		       bpf_get_current_pid_tgid() >> 32, 0);
	}
	count(slot->stack.quality);
	if (kind == LEAK_USE)
		use_store(id, &slot->stack);
	else if (!stack_store(id, &slot->stack))
		id = no_stack(LEAK_ID_UNSAMPLED, proc->scope, kind);
	slot_release(slot);
	return id;
}

#endif
