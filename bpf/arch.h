/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* arch.h: what C and Go share and that differs between processor architectures. */
#ifndef LEAK_ARCH_H
#define LEAK_ARCH_H

/* leak_regs is the user registers that unwinding can need. */
#if defined(__TARGET_ARCH_x86)
struct leak_regs {
	__u64 ip, sp, fp;
	/* known in the leaf frame only */
	__u64 rax, rdi, r8, r9, r11, r13, r15;
};
#elif defined(__TARGET_ARCH_arm64)
struct leak_regs {
	__u64 ip;
	__u64 sp; /* 0 when not known: see arch_restore_sp */
	__u64 fp; /* x29 */
	__u64 lr; /* x30, 0 when not known: in a frame that has made a call */
};
#else
#error "leaktrace has no unwinder for this architecture yet"
#endif

#endif
