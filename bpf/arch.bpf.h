/* SPDX-License-Identifier: GPL-2.0-only */
/* arch.bpf.h: all that differs between processor architectures. */
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

/* arch_tcb is the thread control block of a task that does not run now. */
static __always_inline __u64 arch_tcb(const struct task_struct *task)
{
	return task->thread.fsbase;
}

/*
 * A signal frame is a struct rt_sigframe whose pretcode has been popped:
 * sp points to the ucontext, whose sigcontext begins 40 bytes in.
 */
#define ARCH_SIGCONTEXT 40
#define ARCH_SIGCONTEXT_FP (ARCH_SIGCONTEXT + 10 * 8)
#define ARCH_SIGCONTEXT_SP (ARCH_SIGCONTEXT + 15 * 8)
#define ARCH_SIGCONTEXT_IP (ARCH_SIGCONTEXT + 16 * 8)

#else
#error "leaktrace has no unwinder for this architecture yet"
#endif

#endif
