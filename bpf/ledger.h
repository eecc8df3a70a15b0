/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * ledger.h: what the BPF programs and the Go tracer share. The Go types are
 * generated from these. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#ifndef LEAK_LEDGER_H
#define LEAK_LEDGER_H

#define LEAK_COMM_LEN 16

/* What an object is. Whether it is outstanding is decided at a snapshot. */
enum leak_kind {
	LEAK_CHILD = 1,
	LEAK_THREAD = 2,
	LEAK_SOCKET = 3,
	/* No object: what stacks that read or wrote a socket are kept as. */
	LEAK_USE = 4,
};

/* The low bits of a stack id: the kind, and whether the stack was rescued. */
#define LEAK_KIND_MASK 7
#define LEAK_ID_RESCUED 8
#define LEAK_ID_MASK 15

/*
 * In place of a hash: the stack was left out, or there was no room for it. 0: there
 * was no scratch for it. The upper half is the scope then.
 */
#define LEAK_ID_UNSAMPLED 16
#define LEAK_ID_SCOPE_SHIFT 32

/*
 * How many creations of a process in a second have their stacks captured. Of
 * more than that 1 in 2 has, of more than twice as many 1 in 4, and so on.
 */
#define LEAK_STACK_RATE 50000

/*
 * A scope is one program in one cgroup: its low bits number the program, the rest
 * is the tenant, a cgroup. It is 0 where one process is traced, or one tree.
 */
#define LEAK_PROGRAM_BITS 4
#define LEAK_TENANTS 4096

/* leak_budget is what one tenant could take from all others. */
enum leak_budget {
	/* entries of maps */
	LEAK_BUDGET_STACKS = 0,
	LEAK_BUDGET_THREADS = 1,
	LEAK_BUDGET_TCBS = 2,
	LEAK_BUDGET_ENTRIES = 3, /* how many of these there are */
	/* by the second */
	LEAK_BUDGET_EVENTS = 3, /* small ones: a fork, an exit, a new stack */
	LEAK_BUDGET_LOOKS = 4, /* those that make Go read mappings */
	LEAK_BUDGET_RESCUES = 5,
	LEAK_BUDGET_USES = 6, /* new stacks that used a socket */
	LEAK_BUDGETS = 7,
};

/* About a second: 2^30 ns. */
#define LEAK_SECOND_SHIFT 30

/* leak_tenant is what a tenant has, and how often it was refused more. */
struct leak_tenant {
	__u64 used[LEAK_BUDGETS];
	__u64 refused[LEAK_BUDGETS];
	__u64 second[LEAK_BUDGETS]; /* in which used is counted, of what is by the second */
};

/* leak_returns is by how much leak_tenant.used counts more entries than there are. */
struct leak_returns {
	__u64 entries[LEAK_BUDGET_ENTRIES];
};

/* leak_proc marks a traced process; it lives on the thread group leader. */
struct leak_proc {
	__u32 space; /* id of its leak_space, 0 when not known yet */
	__u32 scope;
	__u32 follow; /* children are traced as well */
	__u32 muted; /* nothing is recorded of it, but whom it forks is known */
	__u64 rescue_second; /* the second in which rescues are counted */
	__u64 rescues;
	__u64 flood_began; /* since when births are counted */
	__u64 births;
	__u64 one_in; /* of so many creations one stack is captured: a power of two */
};

/* leak_activity counts what a traced process has done. */
enum leak_deed {
	LEAK_ACCEPTED = 0, /* as enum leak_accepted says */
	LEAK_CONNECTED = 1,
	LEAK_FORKED = 2,
	LEAK_STARTED = 3,
	LEAK_DEEDS = 4,
};

struct leak_activity {
	__u64 count[LEAK_DEEDS];
	__u64 replacing; /* exec has ended a thread of it, and is not done yet */
};

/* leak_birth says who created an object, when, and from where. */
struct leak_birth {
	__u64 stack; /* id in the stacks map, 0 when it was not seen */
	__u64 created; /* 0: no such object */
	__u64 creator_start; /* creator's start time */
	__u32 creator_tgid;
	__u32 before_tracing;
	__u8 creator_comm[LEAK_COMM_LEN];
};

/*
 * leak_task lives on the leader of a process that a traced process created. A
 * thread of that process has a copy, if the process itself is not traced: when it
 * calls exec it becomes the leader, and the old one, with all that was stored on
 * it, is gone.
 */
struct leak_task {
	struct leak_birth birth; /* of the process */
	__u64 exited; /* when the last thread of the process ended */
};

/* leak_thread is a live thread of a traced process. It was created when it started,
 * which tells it from a later one of the same tid. */
struct leak_thread {
	struct leak_birth birth;
	struct leak_birth process; /* the birth of its process, in case it calls exec */
	__u64 tcb; /* where the thread pointer points: see tracer/join.go */
	__u32 scope; /* these two as in leak_proc, for the case of an exec */
	__u32 follow;
};

/* leak_tcb is a finished thread whose control block may still be held. */
struct leak_tcb_key {
	__u64 tcb;
	__u64 tgid;
};

struct leak_tcb {
	struct leak_birth birth;
	__u64 process_start;
	__u64 exited;
	__u32 tid;
	__u32 scope;
	__u8 comm[LEAK_COMM_LEN];
};

enum leak_direction {
	LEAK_READ = 0,
	LEAK_WRITE = 1,
	LEAK_DIRECTIONS = 2,
};

/* leak_accepted tells where an accepted socket was born: see socket.bpf.h. */
enum leak_accepted {
	LEAK_NOT_ACCEPTED = 0,
	LEAK_ACCEPTED_AT_USE = 1, /* at its first use that was seen */
	LEAK_ACCEPTED_AT_ACCEPT = 2,
};

/*
 * leak_sock lives on a TCP socket that a traced process created or used. What
 * is known of its last use is written without a lock: of two threads that use
 * it at once either may have been the last.
 */
struct leak_sock {
	struct leak_birth birth;
	__u64 close_wait; /* when the peer's FIN arrived */
	__u64 used; /* last read or write */
	__u64 tick; /* the same, in jiffies, as is the next */
	__u64 paid; /* up to when walks are paid for */
	__u64 use_stack; /* of the last use by another path, or a later one */
	__u64 path[LEAK_DIRECTIONS]; /* what is cheaply known of the last stacks */
	enum leak_accepted accepted;
	__u32 eof_read; /* a read has returned 0 */
	__u32 was_read; /* a read was seen at all */
	__u32 direction; /* of the last use */
};

/* leak_site counts what one stack created. */
struct leak_site {
	__u64 created;
};

/* leak_event tells Go what it must look at soon. Losing one loses no truth. */
enum leak_event_type {
	LEAK_EVENT_STACK = 1, /* a stack was seen for the first time */
	LEAK_EVENT_FORK = 2, /* a new process is traced */
	LEAK_EVENT_EXEC = 3, /* a traced process has a new image */
	LEAK_EVENT_EXIT = 4, /* a traced process ended */
	LEAK_EVENT_UNMAPPED = 5, /* a stack left the known mappings */
	LEAK_EVENT_RESCUE = 6, /* the same, as leak_rescue */
};

struct leak_event {
	enum leak_event_type type;
	__u32 tgid;
	__u64 id; /* STACK: its id; FORK: the child's space and, above it, scope */
};

/* leak_counter indexes the counters map. */
enum leak_counter {
	/* knowledge lost, by cause */
	LEAK_LOST_SLOT = 0, /* no free scratch slot: object kept, stack lost */
	LEAK_LOST_STACK = 1, /* stacks map full: object kept, stack lost */
	LEAK_LOST_SITE = 2, /* sites map full: created is too low */
	LEAK_LOST_STORAGE = 3, /* no memory for an object's record */
	LEAK_LOST_TCB = 4, /* tcbs map full: a finished thread is not judged */
	LEAK_LOST_EVENT = 5, /* ring buffer full: Go looks later, a rescue is lost */
	LEAK_LOST_THREAD = 6, /* threads map full: a thread is not in the ledger */
	/* stacks captured, by quality */
	LEAK_STACK_COMPLETE = 7,
	LEAK_STACK_FP_USED = 8,
	LEAK_STACK_TRUNCATED = 9,
	LEAK_STACK_NO_MAPPING = 10,
	LEAK_STACK_NONE = 11,
	LEAK_STACK_RESCUE = 12, /* sent to Go, which judges it */
	LEAK_STACK_UNSAMPLED = 13, /* left out in a flood */
	/* events that only the twin of a hook has seen: see twin.bpf.h */
	LEAK_TWIN_SAW = 14,
	LEAK_COUNTERS = 15,
};

/* leak_task_record is one task in a snapshot. */
struct leak_task_record {
	struct leak_birth birth;
	__u64 exited;
	__u64 parent_start;
	enum leak_kind kind;
	__u32 pid; /* tid of a thread, tgid of a child */
	__u32 tgid;
	__u32 parent_tgid;
	__u32 exit_code;
	__u32 zombie; /* ended, all its threads too, and unreaped */
	__u32 scope; /* of a thread */
	__u32 pad;
	__u8 comm[LEAK_COMM_LEN];
	__u8 parent_comm[LEAK_COMM_LEN];
};

/* leak_process_record is one traced process in a snapshot. */
struct leak_process_record {
	struct leak_activity activity;
	__u64 start;
	__u64 start_stack; /* of the image, as in leak_space; 0 without an address space */
	__u64 code_pages; /* mapped executable */
	__u32 tgid;
	__u32 ending; /* what it holds goes without having been given back */
	__u32 unmarked; /* it is not traced, and should be */
	__u32 pad;
	__u8 comm[LEAK_COMM_LEN];
};

/* Why a socket is in a snapshot. */
enum leak_sock_role {
	LEAK_SOCK_HELD = 1, /* the ledger has it, or a traced process */
	LEAK_SOCK_QUEUED = 2, /* not accepted yet; the holder holds its listener */
	LEAK_SOCK_PEER = 3, /* it may be the other end of one of these */
	LEAK_SOCK_LISTENER = 4, /* unread is the length of its queue */
};

/* leak_sock_record is one descriptor of a TCP socket in a snapshot. */
struct leak_sock_record {
	struct leak_birth birth;
	__u64 inode; /* 0 when QUEUED */
	__u64 close_wait;
	__u64 used;
	__u64 use_stack;
	__u64 holder_start;
	__u32 holder_tgid;
	__u32 fd;
	__u32 unread;
	__u8 state;
	__u8 accepted;
	__u8 eof_read;
	__u8 ipv6;
	__u16 local_port;
	__u16 remote_port; /* network byte order */
	enum leak_sock_role role;
	__u8 local[16];
	__u8 remote[16];
	__u8 holder_comm[LEAK_COMM_LEN];
};

#endif
