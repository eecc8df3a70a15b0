/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * arch.bpf.h: all that differs between processor architectures. Both have the
 * same functions, each described where it is first; those about rules get flags
 * and aux as they are in the packed rule.
 */
#ifndef LEAK_ARCH_BPF_H
#define LEAK_ARCH_BPF_H

#if defined(__TARGET_ARCH_x86)

static __always_inline void arch_user_regs(struct leak_regs *regs, const struct pt_regs *user)
{
	regs->ip = user->ip;
	regs->sp = user->sp;
	regs->fp = user->bp;
	regs->rax = user->ax;
	regs->rdi = user->di;
	regs->r8 = user->r8;
	regs->r9 = user->r9;
	regs->r11 = user->r11;
	regs->r13 = user->r13;
	regs->r15 = user->r15;
}

/*
 * arch_path is what registers tell of the path by which the user got here, in
 * nanoseconds instead of a walk: the depth of the stack, and what the callers
 * keep in the registers that calls preserve. A polynomial, for speed: products
 * that do not wait for each other.
 */
static __always_inline __u64 arch_path(const struct pt_regs *user)
{
	const __u64 x = 0x9e3779b97f4a7c15, x2 = x * x, x3 = x2 * x, x4 = x3 * x, x5 = x4 * x, x6 = x5 * x;

	return user->sp + user->bx * x + user->bp * x2 + user->r12 * x3 + user->r13 * x4 +
	       user->r14 * x5 + user->r15 * x6;
}

/* arch_interrupted: the user's code was interrupted, it made no system call. */
static __always_inline bool arch_interrupted(const struct pt_regs *user)
{
	return (__s64)user->orig_ax < 0;
}

/* arch_tcb is the thread control block of a task: of one that runs as it was when it
 * last gave up the processor. */
static __always_inline __u64 arch_tcb(const struct task_struct *task)
{
	return task->thread.fsbase;
}

/* arch_code takes from a return address what does not belong to it. */
static __always_inline __u64 arch_code(__u64 ip)
{
	return ip;
}

/* arch_register returns a register by number, 0 when it is not known. */
static __always_inline __u64 arch_register(const struct leak_regs *regs, __u8 number, bool leaf)
{
	if (!leaf)
		return 0;
	switch (number) {
	case LEAK_REG_RAX:
		return regs->rax;
	case LEAK_REG_RDI:
		return regs->rdi;
	case LEAK_REG_R8:
		return regs->r8;
	case LEAK_REG_R9:
		return regs->r9;
	case LEAK_REG_R11:
		return regs->r11;
	case LEAK_REG_R13:
		return regs->r13;
	case LEAK_REG_R15:
		return regs->r15;
	}
	return 0;
}

/* arch_called: the registers are now those of a frame that has made a call. */
static __always_inline void arch_called(struct leak_regs *regs)
{
}

/* How many bytes of the stack a call takes for the return address. */
#define ARCH_CALL_PUSHES 8

/* Plain rules: the return address is on top of the stack. */
#define ARCH_PLAIN_TOP LEAK_PLAIN(LEAK_REG_SP, 8, 0, 0)
/* The same for step_fp, 0 where that step is not plain. */
#define ARCH_PLAIN_FRAME LEAK_PLAIN(LEAK_REG_FP, 16, LEAK_REG_CFA, -16)

/* arch_leaf_return is the register where a system call wrapper without a rule
 * may keep its return address: vfork does, for its child writes to the stack. */
static __always_inline __u64 arch_leaf_return(const struct leak_regs *regs)
{
	return regs->rdi;
}

/* arch_sp_above is sp in the caller of the frame that fp is of, 0 if not known. */
static __always_inline __u64 arch_sp_above(__u64 fp)
{
	return fp + 16;
}

/* arch_restore_sp finds out sp, when it is not known, by what a rule says. */
static __always_inline void arch_restore_sp(struct leak_regs *regs, __u8 flags, __u8 aux, __s64 param,
					    __s64 aux_param)
{
}

/* arch_return_register: the return address is in the register aux. */
static __always_inline bool arch_return_register(__u8 flags, __u8 aux)
{
	return flags & LEAK_RULE_REGISTER_RA;
}

/* arch_return_at is where on the stack it is. */
static __always_inline __u64 arch_return_at(const struct leak_regs *regs, __u64 cfa, __u8 aux, __s64 aux_param)
{
	return cfa - 8;
}

/* arch_fp_at is where the caller's fp is, 0 when it is still in the register. */
static __always_inline __u64 arch_fp_at(const struct leak_regs *regs, __u64 cfa, __u8 flags, __u8 aux,
					__s64 aux_param)
{
	switch (aux) {
	case LEAK_REG_CFA:
		return cfa + aux_param;
	case LEAK_REG_FP:
		return regs->fp + aux_param;
	}
	return 0;
}

/*
 * arch_signal_regs restores what a signal frame has saved: a struct rt_sigframe
 * whose pretcode has been popped. sp points to the ucontext, whose sigcontext
 * begins 40 bytes in.
 */
static __always_inline int arch_signal_regs(struct leak_walk *walk, struct leak_slot *slot,
					     struct leak_regs *regs)
{
	__u64 saved = regs->sp + 40;

	return read_user(walk, slot, &regs->ip, saved + 16 * 8) || read_user(walk, slot, &regs->fp, saved + 10 * 8) ||
	       read_user(walk, slot, &regs->sp, saved + 15 * 8);
}

/* arch_signal_return: ip is code that returns from a signal, in the vDSO. */
static __always_inline bool arch_signal_return(struct leak_walk *walk, struct leak_slot *slot,
						const struct leak_regs *regs)
{
	return false;
}

#elif defined(__TARGET_ARCH_arm64)

/* vmlinux.h is that of x86; what arm64 has instead is declared here. */
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs___leak {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__s32 syscallno;
};

struct thread_struct___leak {
	struct {
		unsigned long tp_value;
	} uw;
};

struct task_struct___leak {
	struct thread_struct___leak thread;
};

#pragma clang attribute pop

static __always_inline void arch_user_regs(struct leak_regs *regs, const struct pt_regs *user)
{
	const struct pt_regs___leak *own = (const void *)user;

	regs->ip = own->pc;
	regs->sp = own->sp;
	regs->fp = own->regs[29];
	regs->lr = own->regs[30];
}

static __always_inline __u64 arch_path(const struct pt_regs *user)
{
	const __u64 x = 0x9e3779b97f4a7c15, x2 = x * x, x3 = x2 * x, x4 = x3 * x, x5 = x4 * x, x6 = x5 * x;
	const struct pt_regs___leak *own = (const void *)user;

	return own->sp + own->regs[19] * x + own->regs[20] * x2 + own->regs[21] * x3 + own->regs[22] * x4 +
	       own->regs[29] * x5 + own->regs[30] * x6;
}

static __always_inline bool arch_interrupted(const struct pt_regs *user)
{
	return ((const struct pt_regs___leak *)(const void *)user)->syscallno < 0;
}

static __always_inline __u64 arch_tcb(const struct task_struct *task)
{
	return ((const struct task_struct___leak *)(const void *)task)->thread.uw.tp_value;
}

/*
 * Return addresses may be signed, in bits above those of an address. Where an
 * address can have 52 bits, only who asks for it gets one of more than 48.
 */
static __always_inline __u64 arch_code(__u64 ip)
{
	return ip & ((1ULL << 48) - 1);
}

static __always_inline __u64 arch_register(const struct leak_regs *regs, __u8 number, bool leaf)
{
	return number == LEAK_REG_LR ? regs->lr : 0;
}

static __always_inline void arch_called(struct leak_regs *regs)
{
	regs->lr = 0;
}

#define ARCH_CALL_PUSHES 0
#define ARCH_PLAIN_TOP 0
#define ARCH_PLAIN_FRAME 0

static __always_inline __u64 arch_leaf_return(const struct leak_regs *regs)
{
	return arch_code(regs->lr);
}

/* fp points to a record of the caller's fp and the return address, which may
 * lie anywhere in its frame. */
static __always_inline __u64 arch_sp_above(__u64 fp)
{
	return 0;
}

/* Past its first instructions a function's fp points to the record it has made:
 * where that is, seen from sp or the CFA, the rule says. */
static __always_inline void arch_restore_sp(struct leak_regs *regs, __u8 flags, __u8 aux, __s64 param,
					    __s64 aux_param)
{
	if (regs->sp || !regs->fp)
		return;
	if (aux == LEAK_REG_SP)
		regs->sp = regs->fp + 8 - aux_param;
	else if (aux == LEAK_REG_CFA && flags & LEAK_RULE_FRAME)
		regs->sp = regs->fp + 8 - aux_param - param;
}

static __always_inline bool arch_return_register(__u8 flags, __u8 aux)
{
	return aux == LEAK_REG_LR;
}

static __always_inline __u64 arch_return_at(const struct leak_regs *regs, __u64 cfa, __u8 aux, __s64 aux_param)
{
	return (aux == LEAK_REG_SP ? regs->sp : cfa) + aux_param;
}

static __always_inline __u64 arch_fp_at(const struct leak_regs *regs, __u64 cfa, __u8 flags, __u8 aux,
					__s64 aux_param)
{
	return flags & LEAK_RULE_FRAME ? arch_return_at(regs, cfa, aux, aux_param) - 8 : 0;
}

/*
 * sp points to a struct rt_sigframe: 128 bytes of siginfo, then the ucontext,
 * whose sigcontext has the registers 184 bytes in: x0 to x30, sp, pc.
 */
static __always_inline int arch_signal_regs(struct leak_walk *walk, struct leak_slot *slot,
					     struct leak_regs *regs)
{
	__u64 saved = regs->sp + 128 + 184;

	return read_user(walk, slot, &regs->fp, saved + 29 * 8) || read_user(walk, slot, &regs->lr, saved + 30 * 8) ||
	       read_user(walk, slot, &regs->ip, saved + 32 * 8) || read_user(walk, slot, &regs->sp, saved + 31 * 8);
}

/* mov x8, #139; svc #0: rt_sigreturn. The kernel's has no unwind information. */
#define ARCH_SIGNAL_RETURN 0xd4000001d2801168

static __always_inline bool arch_signal_return(struct leak_walk *walk, struct leak_slot *slot,
						const struct leak_regs *regs)
{
	__u64 code;

	return regs->sp && !read_user(walk, slot, &code, regs->ip) && code == ARCH_SIGNAL_RETURN;
}

#endif

#endif
