/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unwind.bpf.h: steps from a frame of a user stack to its caller's.
 */
#ifndef LEAK_UNWIND_BPF_H
#define LEAK_UNWIND_BPF_H

static __always_inline __u8 rule_flags(__u64 rule)
{
	return rule;
}

static __always_inline __u8 rule_base(__u64 rule)
{
	return rule >> LEAK_RULE_BASE_SHIFT & 0xf;
}

static __always_inline __u8 rule_aux(__u64 rule)
{
	return rule >> LEAK_RULE_AUX_SHIFT & 0xf;
}

static __always_inline __s64 rule_param(__u64 rule)
{
	return (__s64)(rule << (64 - LEAK_RULE_AUX_PARAM_SHIFT)) >> 40;
}

static __always_inline __s64 rule_aux_param(__u64 rule)
{
	return (__s64)rule >> LEAK_RULE_AUX_PARAM_SHIFT;
}

/* walk_key is what rule_cache knows the address by whose rule applies. */
static __always_inline __u64 walk_key(const struct leak_walk *walk)
{
	return rule_key(walk->seed, walk->regs.ip - !walk->exact);
}

/* A step's outcome: go on, or the quality of the finished stack. */
#define LEAK_STEP_ON 0

static __always_inline int walk_root(const struct leak_walk *walk)
{
	return walk->fp_used ? LEAK_STACK_FP_USED : LEAK_STACK_COMPLETE;
}

/*
 * step_fp takes the frame pointer's word: [fp] is the caller's fp, then ip. The
 * caller may be on another stack: Go's runtime switches to its own and back.
 */
static __always_inline int step_fp(struct leak_walk *walk, struct leak_slot *slot)
{
	__u64 fp = walk->regs.fp, caller_fp, ip;

	if (!fp)
		return walk_root(walk);
	if (read_user(walk, slot, &caller_fp, fp) || read_user(walk, slot, &ip, fp + 8))
		return LEAK_STACK_TRUNCATED;
	walk->regs.fp = caller_fp;
	walk->regs.ip = arch_code(ip);
	walk->regs.sp = arch_sp_above(fp);
	return LEAK_STEP_ON;
}

static __always_inline int step_signal(struct leak_walk *walk, struct leak_slot *slot)
{
	if (arch_signal_regs(walk, slot, &walk->regs))
		return LEAK_STACK_TRUNCATED;
	walk->exact = 1;
	return LEAK_STEP_ON;
}

/*
 * step_guess crosses a frame that no rule describes, hoping for a frame
 * pointer. That there is none does not prove that this is the root.
 */
static __always_inline int step_guess(struct leak_walk *walk, struct leak_slot *slot)
{
	if (arch_signal_return(walk, slot, &walk->regs))
		return step_signal(walk, slot);
	walk->fp_used = 1;
	return walk->regs.fp < walk->regs.sp ? LEAK_STACK_TRUNCATED : step_fp(walk, slot);
}

/*
 * step_leaf leaves a system call wrapper that has no rule. On x86 glibc ends the
 * CFI of clone and clone3 before their syscall instruction, where the return
 * address is on top of the stack. That is remembered under key, if there is one.
 */
static __always_inline int step_leaf(struct leak_walk *walk, struct leak_slot *slot, __u64 key)
{
	__u64 ip = arch_leaf_return(&walk->regs);

	if (find_mapping(walk->space % LEAK_SPACES, ip) >= 0) {
		walk->regs.ip = ip;
		return LEAK_STEP_ON;
	}
	if (!ARCH_CALL_PUSHES || read_user(walk, slot, &ip, walk->regs.sp) ||
	    find_mapping(walk->space % LEAK_SPACES, ip) < 0)
		return step_guess(walk, slot);
	if (key)
		rule_remember(key, ARCH_PLAIN_TOP);
	walk->regs.ip = ip;
	walk->regs.sp += ARCH_CALL_PUSHES;
	return LEAK_STEP_ON;
}

static __always_inline int step_command(struct leak_walk *walk, struct leak_slot *slot, int command,
					__u64 key)
{
	switch (command) {
	case LEAK_COMMAND_STOP:
		return walk_root(walk);
	case LEAK_COMMAND_SIGNAL:
		return step_signal(walk, slot);
	case LEAK_COMMAND_FRAME_POINTER:
		/* Go keeps frame pointers by its calling convention. */
		rule_remember(key, ARCH_PLAIN_FRAME);
		return step_fp(walk, slot);
	default:
		return walk->leaf ? step_leaf(walk, slot, key) : step_guess(walk, slot);
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
	return arch_register(&walk->regs, number, walk->leaf);
}

/* rule_cfa computes the canonical frame address; 0 when it cannot be known. */
static __always_inline __u64 rule_cfa(struct leak_walk *walk, struct leak_slot *slot, __u64 rule)
{
	__u64 base = walk_register(walk, rule_base(rule)), cfa;
	__s64 param = rule_param(rule);

	if (!base)
		return 0;
	if (!(rule_flags(rule) & LEAK_RULE_DEREF))
		return base + param;
	if (read_user(walk, slot, &cfa, base + (param & ~LEAK_DEREF_MASK)))
		return 0;
	return cfa + (param & LEAK_DEREF_MASK) * LEAK_DEREF_MULTIPLIER;
}

static __always_inline int step_rule(struct leak_walk *walk, struct leak_slot *slot, __u64 rule)
{
	__u8 flags = rule_flags(rule), aux = rule_aux(rule);
	__s64 aux_param = rule_aux_param(rule);
	__u64 cfa, fp = walk->regs.fp, fp_at, ip;

	arch_restore_sp(&walk->regs, flags, aux, rule_param(rule), aux_param);
	cfa = rule_cfa(walk, slot, rule);
	/* The stack grows down: a caller's frame is above. */
	if (!cfa || cfa < walk->regs.sp)
		return LEAK_STACK_TRUNCATED;
	if (arch_return_register(flags, aux)) {
		ip = walk_register(walk, aux);
		if (!ip)
			return LEAK_STACK_TRUNCATED;
	} else {
		if (read_user(walk, slot, &ip, arch_return_at(&walk->regs, cfa, aux, aux_param)))
			return LEAK_STACK_TRUNCATED;
		fp_at = arch_fp_at(&walk->regs, cfa, flags, aux, aux_param);
		if (fp_at && read_user(walk, slot, &fp, fp_at))
			return LEAK_STACK_TRUNCATED;
	}
	walk->regs.ip = arch_code(ip);
	walk->regs.sp = cfa;
	walk->regs.fp = fp;
	return LEAK_STEP_ON;
}

/*
 * step_plain takes the step that nearly all frames need, in place: from a frame
 * whose plain rule is known, with a window that moves up the stack. It leaves all
 * else to step, and says so.
 */
static __always_inline bool step_plain(struct leak_walk *walk, struct leak_slot *slot)
{
	__u64 rule = rule_cached(walk_key(walk)), fp = walk->regs.fp, cfa, fp_at, ip;
	__s64 aux_param = rule_aux_param(rule);
	__u8 aux = rule_aux(rule);

	cfa = (rule_base(rule) == LEAK_REG_SP ? walk->regs.sp : fp) + rule_param(rule);
	if (!rule || !walk->regs.sp || cfa < walk->regs.sp ||
	    read_user(walk, slot, &ip, arch_return_at(&walk->regs, cfa, aux, aux_param)))
		return false;
	ip = arch_code(ip);
	if (!ip)
		return false;
	fp_at = arch_fp_at(&walk->regs, cfa, rule_flags(rule), aux, aux_param);
	if (fp_at && read_user(walk, slot, &fp, fp_at))
		return false;
	walk->regs.ip = ip;
	walk->regs.sp = cfa;
	walk->regs.fp = fp;
	walk->leaf = walk->exact = 0;
	arch_called(&walk->regs);
	return true;
}

/* step replaces the registers by those of the caller. */
static __always_inline int step(struct leak_walk *walk, struct leak_slot *slot)
{
	__u64 rule = 0, key = walk_key(walk);
	int found, done;

	/*
	 * A return address may be past the end of a function that does not
	 * return; the call it belongs to is one byte back.
	 */
	found = find_rule(walk->space, walk->regs.ip - !walk->exact, &rule);
	if (found == LEAK_FIND_UNMAPPED)
		return LEAK_STACK_NO_MAPPING;
	if (!found && rule_flags(rule) & LEAK_RULE_PLAIN)
		rule_remember(key, rule);
	walk->exact = 0;
	/* Where there is no table at all, what is on top of the stack may be luck. */
	if (found)
		done = walk->leaf ? step_leaf(walk, slot, 0) : step_guess(walk, slot);
	else if (rule_flags(rule) & LEAK_RULE_COMMAND)
		done = step_command(walk, slot, rule_param(rule), key);
	else
		done = step_rule(walk, slot, rule);
	walk->leaf = 0;
	if (!walk->exact)
		arch_called(&walk->regs);
	if (done == LEAK_STEP_ON && !walk->regs.ip)
		return walk_root(walk);
	return done;
}

/* How many frames are crossed in one call, which is dear where returns are. */
#define LEAK_STRIDE 8

/*
 * walk_on keeps the frames it comes by and goes on to their callers. It is a
 * global function so that the verifier checks it once, not once per frame.
 */
__noinline int walk_on(struct leak_walk *walk)
{
	__u32 key = walk ? walk->slot : 0; /* 6.1 takes no key out of *walk */
	struct leak_slot *slot = bpf_map_lookup_elem(&slots, &key);

	if (!walk || !slot)
		return LEAK_STACK_TRUNCATED;
	for (int i = 0; i < LEAK_STRIDE; i++) {
		__u32 depth = walk->depth;

		barrier_var(depth);
		if (depth >= LEAK_MAX_FRAMES)
			return LEAK_STACK_TRUNCATED;
		slot->stack.frames[depth] = walk->regs.ip;
		walk->depth = depth + 1;
		walk->hash = hash_mix(walk->hash, walk->regs.ip);
		if (!step_plain(walk, slot))
			return step(walk, slot);
	}
	return LEAK_STEP_ON;
}

#endif
