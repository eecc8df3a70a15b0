/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unwind.bpf.h: capture_stack walks the user stack of the current task by
 * tables made of its files' .eh_frame. It may be called wherever current is
 * the task that entered the kernel: never in softirq, and not at process exit,
 * where kernels before 6.16 have given up the address space already.
 */
#ifndef LEAK_UNWIND_BPF_H
#define LEAK_UNWIND_BPF_H

/* spaces: space id modulo size -> leak_space. Written by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 128); /* set by Go; a power of two */
	__type(key, __u32);
	__type(value, struct leak_space);
} spaces SEC(".maps");

/* rows: the rows of all files, each file's together. Written by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 20);
	__type(key, __u32);
	__type(value, struct leak_row);
} rows SEC(".maps");

/* rules: rule number -> leak_rule. Written by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << 14);
	__type(key, __u32);
	__type(value, struct leak_rule);
} rules SEC(".maps");

/*
 * stacks: stack id -> leak_stack. Written at the first sight of a stack. The
 * id is a hash of all its content, so an entry never changes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct leak_stack);
} stacks SEC(".maps");

#define LEAK_SLOTS 4
#define LEAK_SPACES 128

struct leak_slot {
	__u64 busy;
	struct leak_stack stack;
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
	__u32 space; /* index in spaces */
	__u32 leaf; /* regs are those of the leaf frame */
	__u32 exact; /* ip is where the code was interrupted, not a return address */
	__u32 fp_used;
};

enum leak_find {
	LEAK_FIND_UNMAPPED = -1, /* no mapping covers the address */
	LEAK_FIND_NO_TABLE = -2, /* the mapping has no rows */
};

/* mapping_at bounds index where the verifier sees it: clang moves checks away. */
static __always_inline struct leak_mapping *mapping_at(struct leak_space *space, __u32 index)
{
	barrier_var(index);
	return index < LEAK_MAX_MAPPINGS ? &space->mapping[index] : NULL;
}

/* find_mapping returns the index of the mapping that covers ip, or negative. */
__noinline int find_mapping(__u32 space_index, __u64 ip)
{
	struct leak_space *space = bpf_map_lookup_elem(&spaces, &space_index);
	struct leak_mapping *mapping;
	__u32 low = 0, high;

	if (!space)
		return LEAK_FIND_UNMAPPED;
	high = space->mappings;
	for (int i = 0; i < LEAK_MAPPING_STEPS && low < high; i++) {
		__u32 middle = (low + high) / 2;

		mapping = mapping_at(space, middle);
		if (!mapping)
			return LEAK_FIND_UNMAPPED;
		if (mapping->end <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	mapping = mapping_at(space, low);
	if (!mapping || low >= space->mappings || ip < mapping->start)
		return LEAK_FIND_UNMAPPED;
	return low;
}

/*
 * find_row returns the last of count rows from first on that is not above pc,
 * or -1. It halves the range by arithmetic the verifier takes no bounds from:
 * with them every turn of the loop would be a state of its own.
 */
__noinline int find_row(__u32 first, __u32 count, __u32 pc)
{
	__u32 row_index = first;
	struct leak_row *row = bpf_map_lookup_elem(&rows, &row_index);

	if (!row || row->pc > pc)
		return -1;
	for (int i = 0; i < LEAK_ROW_STEPS && count > 1; i++) {
		__u32 half = count / 2, middle = row_index + half;
		__s64 above;

		row = bpf_map_lookup_elem(&rows, &middle);
		if (!row)
			return -1;
		above = (__s64)row->pc - pc;
		barrier_var(above);
		if (above <= 0)
			row_index = middle;
		count -= half;
	}
	return row_index;
}

/* find_rule returns the number of the rule that applies at ip, or negative. */
__noinline int find_rule(__u32 space_index, __u64 ip)
{
	struct leak_space *space = bpf_map_lookup_elem(&spaces, &space_index);
	int index = find_mapping(space_index, ip);
	struct leak_mapping *mapping;
	struct leak_row *row;
	__u64 pc;
	__u32 key;

	if (!space || index < 0)
		return LEAK_FIND_UNMAPPED;
	mapping = mapping_at(space, index);
	if (!mapping)
		return LEAK_FIND_UNMAPPED;
	pc = ip - mapping->bias;
	if (!mapping->rows || pc >> 32)
		return LEAK_FIND_NO_TABLE;
	index = find_row(mapping->first, mapping->rows, pc);
	if (index < 0)
		return LEAK_FIND_NO_TABLE;
	key = index;
	row = bpf_map_lookup_elem(&rows, &key);
	if (!row)
		return LEAK_FIND_NO_TABLE;
	return row->rule;
}

static __always_inline int read_user(__u64 *value, __u64 address)
{
	return bpf_probe_read_user(value, sizeof(*value), (void *)address);
}

/* A step's outcome: go on, or the quality of the finished stack. */
#define LEAK_STEP_ON 0

static __always_inline int walk_root(const struct leak_walk *walk)
{
	return walk->fp_used ? LEAK_STACK_FP_USED : LEAK_STACK_COMPLETE;
}

/* step_fp takes the frame pointer's word: [fp] is the caller's fp, then ip. */
static __always_inline int step_fp(struct leak_walk *walk)
{
	__u64 fp = walk->regs.fp, frame[2];

	if (!fp)
		return walk_root(walk);
	if (fp < walk->regs.sp || bpf_probe_read_user(frame, sizeof(frame), (void *)fp))
		return LEAK_STACK_TRUNCATED;
	walk->regs.fp = frame[0];
	walk->regs.ip = frame[1];
	walk->regs.sp = fp + 16;
	return LEAK_STEP_ON;
}

/*
 * step_guess crosses a frame that no rule describes, hoping for a frame
 * pointer. That there is none does not prove that this is the root.
 */
static __always_inline int step_guess(struct leak_walk *walk)
{
	walk->fp_used = 1;
	return walk->regs.fp ? step_fp(walk) : LEAK_STACK_TRUNCATED;
}

/*
 * step_leaf leaves a system call wrapper that has no rule. glibc ends the CFI
 * of clone and clone3 before their syscall instruction, where the return
 * address is on top of the stack; vfork keeps it in rdi.
 */
static __always_inline int step_leaf(struct leak_walk *walk)
{
	__u64 ip;

	if (find_mapping(walk->space, walk->regs.rdi) >= 0) {
		walk->regs.ip = walk->regs.rdi;
		return LEAK_STEP_ON;
	}
	if (read_user(&ip, walk->regs.sp) || find_mapping(walk->space, ip) < 0)
		return step_guess(walk);
	walk->regs.ip = ip;
	walk->regs.sp += 8;
	return LEAK_STEP_ON;
}

static __always_inline int step_signal(struct leak_walk *walk)
{
	__u64 context = walk->regs.sp;

	if (read_user(&walk->regs.ip, context + ARCH_SIGCONTEXT_IP) ||
	    read_user(&walk->regs.fp, context + ARCH_SIGCONTEXT_FP) ||
	    read_user(&walk->regs.sp, context + ARCH_SIGCONTEXT_SP))
		return LEAK_STACK_TRUNCATED;
	walk->exact = 1;
	return LEAK_STEP_ON;
}

static __always_inline int step_command(struct leak_walk *walk, int command)
{
	switch (command) {
	case LEAK_COMMAND_STOP:
		return walk_root(walk);
	case LEAK_COMMAND_SIGNAL:
		return step_signal(walk);
	case LEAK_COMMAND_FRAME_POINTER:
		/* Go keeps frame pointers by its calling convention. */
		return step_fp(walk);
	default:
		return walk->leaf ? step_leaf(walk) : step_guess(walk);
	}
}

/* walk_register returns a register by number, 0 when it is not known. */
static __always_inline __u64 walk_register(const struct leak_walk *walk, __u8 number)
{
	switch (number) {
	case LEAK_REG_SP:
		return walk->regs.sp;
	case LEAK_REG_FP:
		return walk->regs.fp;
	}
	if (!walk->leaf)
		return 0;
	switch (number) {
	case LEAK_REG_RAX:
		return walk->regs.rax;
	case LEAK_REG_RDI:
		return walk->regs.rdi;
	case LEAK_REG_R8:
		return walk->regs.r8;
	case LEAK_REG_R9:
		return walk->regs.r9;
	case LEAK_REG_R11:
		return walk->regs.r11;
	case LEAK_REG_R13:
		return walk->regs.r13;
	case LEAK_REG_R15:
		return walk->regs.r15;
	}
	return 0;
}

/* rule_cfa computes the canonical frame address; 0 when it cannot be known. */
static __always_inline __u64 rule_cfa(const struct leak_walk *walk, const struct leak_rule *rule)
{
	__u64 base = walk_register(walk, rule->base), cfa;

	if (!base)
		return 0;
	if (!(rule->flags & LEAK_RULE_DEREF))
		return base + rule->param;
	if (read_user(&cfa, base + (rule->param & ~LEAK_DEREF_MASK)))
		return 0;
	return cfa + (rule->param & LEAK_DEREF_MASK) * LEAK_DEREF_MULTIPLIER;
}

static __always_inline int step_rule(struct leak_walk *walk, const struct leak_rule *rule)
{
	__u64 cfa = rule_cfa(walk, rule), fp = walk->regs.fp, ip;

	/* The stack grows down: a caller's frame is above. */
	if (!cfa || cfa < walk->regs.sp)
		return LEAK_STACK_TRUNCATED;
	if (rule->flags & LEAK_RULE_REGISTER_RA)
		ip = walk_register(walk, rule->aux_base);
	else if (read_user(&ip, cfa - 8))
		return LEAK_STACK_TRUNCATED;
	else if (rule->aux_base == LEAK_REG_CFA && read_user(&fp, cfa + rule->aux_param))
		return LEAK_STACK_TRUNCATED;
	else if (rule->aux_base == LEAK_REG_FP && read_user(&fp, walk->regs.fp + rule->aux_param))
		return LEAK_STACK_TRUNCATED;
	walk->regs.ip = ip;
	walk->regs.sp = cfa;
	walk->regs.fp = fp;
	return LEAK_STEP_ON;
}

/*
 * step replaces the registers by those of the caller. It is a global function
 * so that the verifier checks it once, not once per frame.
 */
__noinline int step(struct leak_walk *walk)
{
	struct leak_rule *rule;
	__u32 key;
	int number, done;

	if (!walk)
		return LEAK_STACK_TRUNCATED;
	/*
	 * A return address may be past the end of a function that does not
	 * return; the call it belongs to is one byte back.
	 */
	number = find_rule(walk->space, walk->regs.ip - !walk->exact);
	if (number == LEAK_FIND_UNMAPPED)
		return LEAK_STACK_NO_MAPPING;
	walk->exact = 0;
	key = number;
	rule = number < 0 ? NULL : bpf_map_lookup_elem(&rules, &key);
	if (!rule)
		done = walk->leaf ? step_leaf(walk) : step_guess(walk);
	else if (rule->flags & LEAK_RULE_COMMAND)
		done = step_command(walk, rule->param);
	else
		done = step_rule(walk, rule);
	walk->leaf = 0;
	if (done == LEAK_STEP_ON && !walk->regs.ip)
		return walk_root(walk);
	return done;
}

static __always_inline struct leak_slot *slot_claim(void)
{
	for (__u32 i = 0; i < LEAK_SLOTS; i++) {
		__u32 key = i;
		struct leak_slot *slot = bpf_map_lookup_elem(&slots, &key);

		if (slot && !__sync_val_compare_and_swap(&slot->busy, 0, 1))
			return slot;
	}
	return NULL;
}

static __always_inline void slot_release(struct leak_slot *slot)
{
	__sync_lock_test_and_set(&slot->busy, 0);
}

static __always_inline __u64 hash_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

/* walk_begin prepares a walk of the current task; it says whether it can. */
static __always_inline int walk_begin(struct leak_walk *walk, __u32 space_id)
{
	struct task_struct *current = bpf_get_current_task_btf();
	__u32 key = space_id % LEAK_SPACES;
	struct leak_space *space = bpf_map_lookup_elem(&spaces, &key);

	/* io_uring workers and the like have no user registers. */
	if (current->flags & LEAK_PF_KERNEL_WORKER)
		return LEAK_STACK_NONE;
	if (!space || !space_id || space->id != space_id ||
	    space->start_stack != current->mm->start_stack)
		return LEAK_STACK_NO_MAPPING;
	arch_user_regs(&walk->regs, (struct pt_regs *)bpf_task_pt_regs(current));
	walk->space = key;
	walk->leaf = 1;
	return LEAK_STEP_ON;
}

/* walk_stack fills stack and returns the hash of its frames. */
static __always_inline __u64 walk_stack(struct leak_stack *stack, __u64 hash)
{
	struct leak_walk walk = {};
	int done = walk_begin(&walk, stack->space);

	stack->depth = 0;
	for (int i = 0; i < LEAK_MAX_FRAMES && done == LEAK_STEP_ON; i++) {
		stack->frames[i] = walk.regs.ip;
		stack->depth = i + 1;
		hash = hash_mix(hash, walk.regs.ip);
		done = step(&walk);
	}
	stack->quality = done == LEAK_STEP_ON ? LEAK_STACK_TRUNCATED : done;
	return hash_mix(hash, stack->quality);
}

/* stack_store keeps a stack that was not seen before. */
static __always_inline void stack_store(__u64 id, struct leak_stack *stack)
{
	if (bpf_map_lookup_elem(&stacks, &id))
		return;
	if (bpf_map_update_elem(&stacks, &id, stack, BPF_ANY))
		count(LEAK_LOST_STACK);
	else
		notify(LEAK_EVENT_STACK, bpf_get_current_pid_tgid() >> 32, id);
}

/*
 * stack_id makes an id of a hash. Its low bits tell the kind, also when the
 * stack itself could not be kept, and make it never 0.
 */
static __always_inline __u64 stack_id(__u64 hash, enum leak_kind kind)
{
	return (hash & ~(__u64)LEAK_KIND_MASK) | kind;
}

/* rescue_allowed counts a rescue of a process against its rate. */
static __always_inline bool rescue_allowed(struct leak_proc *proc)
{
	__u64 second = bpf_ktime_get_ns() / 1000000000;

	if (proc->rescue_second != second) {
		proc->rescue_second = second;
		proc->rescues = 0;
	}
	return __sync_fetch_and_add(&proc->rescues, 1) < LEAK_RESCUE_RATE;
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

	if (!rescue_allowed(proc))
		return 0;
	rescue = bpf_ringbuf_reserve(&events, sizeof(*rescue), 0);
	if (!rescue) {
		count(LEAK_LOST_EVENT);
		return 0;
	}
	rescue->type = LEAK_EVENT_RESCUE;
	rescue->tgid = current->tgid;
	rescue->id = stack_id(hash_mix(bpf_ktime_get_ns(), bpf_get_current_pid_tgid()), kind);
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

/* capture_stack stores the current user stack and returns its id. */
static __always_inline __u64 capture_stack(struct leak_proc *proc, enum leak_kind kind)
{
	struct leak_slot *slot = slot_claim();
	__u64 id = 0;

	if (!slot) {
		count(LEAK_LOST_SLOT);
		return stack_id(0, kind);
	}
	slot->stack.space = proc->space;
	slot->stack.kind = kind;
	id = stack_id(walk_stack(&slot->stack, proc->space), kind);
	if (slot->stack.quality == LEAK_STACK_NO_MAPPING) {
		__u64 rescued = stack_rescue(proc, kind);

		if (rescued) {
			slot_release(slot);
			return rescued;
		}
		notify(LEAK_EVENT_UNMAPPED, bpf_get_current_pid_tgid() >> 32, 0);
	}
	count(slot->stack.quality);
	stack_store(id, &slot->stack);
	slot_release(slot);
	return id;
}

#endif
