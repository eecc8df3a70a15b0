/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * unwind.h: the tables by which stacks are unwound, written by Go, and the
 * stacks that come out. Register and command numbers are those of
 * go.opentelemetry.io/ebpf-profiler/support, which builds the rules.
 */
#ifndef LEAK_UNWIND_H
#define LEAK_UNWIND_H

#include "arch.h"

#define LEAK_MAX_FRAMES 128
#define LEAK_MAX_MAPPINGS 4096 /* of one process image */
/* Rows and mappings are searched in at most this many halvings. */
#define LEAK_ROW_STEPS 21
#define LEAK_MAPPING_STEPS 13

/* leak_mapping is one executable mapping. */
struct leak_mapping {
	__u64 start;
	__u64 end;
	__u64 bias; /* address - bias is the ELF virtual address */
	__u32 first; /* first row of the file in the rows map */
	__u32 rows; /* 0: the file has no table, step by frame pointer */
};

/*
 * leak_space is the executable mappings of one process image, sorted by start.
 * It is immutable once published: a change of mappings makes a new space, so
 * that a stack's addresses always mean what they meant when it was captured.
 */
struct leak_space {
	__u32 id;
	__u32 mappings;
	__u32 first; /* of its mappings, in the mappings map */
	__u32 pad;
	/* mm->start_stack of the image, which differs after exec (ASLR) */
	__u64 start_stack;
};

/* leak_row says that rule applies from address pc of a file to the next row. */
struct leak_row {
	__u32 pc;
	__u32 rule;
};

/*
 * A rule is how to find the caller's registers, packed in 64 bits:
 *   0  flags      8 bits, leak_rule_flags
 *   8  base       4 bits, leak_register: CFA = base + param
 *  12  aux        4 bits, leak_register: at aux + aux_param is the caller's rbp,
 *                 or on arm64 the return address, unless aux is LEAK_REG_LR
 *  16  param     24 bits, signed; or a leak_command
 *  40  aux_param 24 bits, signed
 */
#define LEAK_RULE_BASE_SHIFT 8
#define LEAK_RULE_AUX_SHIFT 12
#define LEAK_RULE_PARAM_SHIFT 16
#define LEAK_RULE_AUX_PARAM_SHIFT 40

enum leak_rule_flags {
	LEAK_RULE_COMMAND = 1, /* param is a leak_command */
	LEAK_RULE_FRAME = 2, /* arm64: the caller's fp is below the return address */
	LEAK_RULE_LEAF_ONLY = 4, /* base is a register callees do not keep */
	LEAK_RULE_DEREF = 8, /* CFA = *(base + pre) + post, packed in param */
	LEAK_RULE_REGISTER_RA = 16, /* return address is in aux_base */
	/* base is sp or fp, and what else has to be read is near the CFA or sp */
	LEAK_RULE_PLAIN = 32,
};

/* LEAK_PLAIN is a plain rule. */
#define LEAK_PLAIN(base, param, aux, aux_param) \
	((__u64)LEAK_RULE_PLAIN | (__u64)(base) << LEAK_RULE_BASE_SHIFT | \
	 (__u64)(aux) << LEAK_RULE_AUX_SHIFT | (__u64)((param) & 0xffffff) << LEAK_RULE_PARAM_SHIFT | \
	 (__u64)(aux_param) << LEAK_RULE_AUX_PARAM_SHIFT)

enum leak_command {
	LEAK_COMMAND_INVALID = 0,
	LEAK_COMMAND_STOP = 1,
	LEAK_COMMAND_PLT = 2,
	LEAK_COMMAND_SIGNAL = 3,
	LEAK_COMMAND_FRAME_POINTER = 4,
};

enum leak_register {
	LEAK_REG_CFA = 1,
	LEAK_REG_SP = 3,
	LEAK_REG_FP = 4,
	LEAK_REG_LR = 5,
	LEAK_REG_RAX = 6,
	LEAK_REG_RDI = 7,
	LEAK_REG_R8 = 8,
	LEAK_REG_R9 = 9,
	LEAK_REG_R11 = 10,
	LEAK_REG_R13 = 11,
	LEAK_REG_R15 = 12,
};

/* Packed DEREF parameters: low 3 bits are post / 8, the rest is pre. */
#define LEAK_DEREF_MASK 7
#define LEAK_DEREF_MULTIPLIER 8

/* leak_stack is a captured stack, leaf first. */
struct leak_stack {
	__u32 space;
	__u16 depth;
	__u8 kind; /* enum leak_kind */
	__u8 quality; /* LEAK_STACK_COMPLETE … LEAK_STACK_NONE */
	__u32 scope;
	__u32 pad;
	__u64 frames[LEAK_MAX_FRAMES];
};

/*
 * leak_parked is where a thread is now. Two that are equal and not running say
 * that the thread has not run in between.
 */
struct leak_parked {
	struct leak_regs regs;
	__u64 switches; /* how often it gave up a processor */
	__u64 start_stack; /* of the image, as in leak_space */
	__u32 tid;
	__u32 tgid;
	__u32 running; /* or ready to run, or it changed while it was looked at */
	__u32 interrupted; /* not in a system call: ip is no return address */
};

/* How much of a stack is copied, and how often in a second for one process. */
#define LEAK_RESCUE_PAGES 8
#define LEAK_PAGE_SIZE 4096
#define LEAK_RESCUE_RATE 50

/*
 * leak_rescue is a stack that could not be walked for want of tables: Go walks
 * it when it has read the mappings. It begins like leak_event.
 */
struct leak_rescue {
	__u32 type;
	__u32 tgid;
	__u64 id; /* the stack id the object got */
	__u64 start_stack; /* of the image, as in leak_space */
	struct leak_regs regs;
	__u64 pages; /* copied, from the page sp is in upwards */
	__u8 memory[LEAK_RESCUE_PAGES * LEAK_PAGE_SIZE];
};

#endif
