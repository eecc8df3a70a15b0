/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ledger.bpf.h: the maps that hold the ledger and the verbs that change it.
 * Hooks call the verbs; nothing else writes these maps.
 */
#ifndef LEAK_LEDGER_BPF_H
#define LEAK_LEDGER_BPF_H

/*
 * procs: group leader -> leak_proc. Written by Go when tracing of a process
 * begins and when its mappings change, and by fork for a followed child.
 * Deleted by the kernel with the task.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct leak_proc);
} procs SEC(".maps");

/*
 * activities: group leader -> leak_activity. Written by every hook of a birth, by the
 * end of a thread and by exec.
 * Deleted by the kernel with the task.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct leak_activity);
} activities SEC(".maps");

/*
 * tasks: task -> leak_task. Written at fork, and by mark_tasks for those that
 * were there before. Deleted by the kernel with the task.
 */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct leak_task);
} tasks SEC(".maps");

/*
 * threads: tid -> leak_thread. Written at creation, and by mark_tasks for those
 * that were there before; deleted at the thread's exit and exec. Local storage
 * would be at home here, but making and freeing it cost 2.4 us a thread, as much
 * as all else together: it comes from a pool that is refilled in an interrupt. An
 * entry counts only while the kernel lists a task with its tid and start time, so
 * no lost exit can make it a leak; a thread without one has lost its birth.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536); /* or kernel.pid_max, if that is less */
	__type(key, __u32);
	__type(value, struct leak_thread);
} threads SEC(".maps");

/*
 * socks: TCP socket -> leak_sock. Written at connect, accept and each use, and by
 * mark_sockets for those that were there before. Deleted with the socket.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct leak_sock);
} socks SEC(".maps");

/*
 * tcbs: (tgid, thread control block) -> leak_tcb, threads that ended and may
 * not have been joined. Written at thread exit; deleted when a new thread gets
 * the same block, and by Go once the block is seen to be free.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct leak_tcb_key);
	__type(value, struct leak_tcb);
} tcbs SEC(".maps");

/*
 * A count of creations: stack id -> leak_site. An entry is made once a snapshot,
 * and few programs have many stacks: none has memory before it is needed.
 */
struct leak_sites {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct leak_site);
};

struct leak_sites sites_even SEC(".maps");
struct leak_sites sites_odd SEC(".maps");

/*
 * sites: the one of the two in which creations are counted now. Each snapshot
 * takes the other instead, waits until no program uses the first any more, and
 * empties that. An entry is never deleted where a program may be about to add to
 * it: its memory is another stack's in the same moment.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct leak_sites);
} sites SEC(".maps") = {
	.values = { &sites_even },
};

/* counters: leak_counter -> count, per CPU. Written by every program. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LEAK_COUNTERS);
	__type(key, enum leak_counter);
	__type(value, __u64);
} counters SEC(".maps");

/* events: leak_event and leak_rescue, read by Go. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} events SEC(".maps");

/*
 * count adds one to a counter. Where tracing programs can be preempted (7.x)
 * another program may run on this CPU in between, hence the atomic.
 */
static __always_inline void count(enum leak_counter counter)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &counter);

	if (value)
		__sync_fetch_and_add(value, 1);
}

/* Events of this type are lost as if the ring were full. Set by Go in tests. */
const volatile __u32 lost_event = 0;

/*
 * notify sends an event of a process of the scope. Of what makes Go read the mappings
 * of a process the budget is that of looks, else that of events.
 */
static __always_inline void notify(enum leak_event_type type, enum leak_budget budget, __u32 scope,
				   __u32 tgid, __u64 id)
{
	struct leak_event event = { .type = type, .tgid = tgid, .id = id };

	if (!rate_allows(scope, budget))
		return;
	if (type == lost_event || bpf_ringbuf_output(&events, &event, sizeof(event), 0))
		count(LEAK_LOST_EVENT);
}

/* marked returns the mark of a process, or NULL. */
static __always_inline struct leak_proc *marked(struct task_struct *leader)
{
	return bpf_task_storage_get(&procs, leader, 0, 0);
}

/* recorded is marked, of processes of which something is recorded. */
static __always_inline struct leak_proc *recorded(struct task_struct *leader)
{
	struct leak_proc *proc = marked(leader);

	return proc && !proc->muted ? proc : NULL;
}

/* traced is recorded of the current process. */
static __always_inline struct leak_proc *traced(void)
{
	return recorded(bpf_get_current_task_btf()->group_leader);
}

/* activity_of is what a process has done, which is made where there is none yet. */
static __always_inline struct leak_activity *activity_of(struct task_struct *leader)
{
	struct leak_activity *activity =
		bpf_task_storage_get(&activities, leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!activity)
		count(LEAK_LOST_STORAGE);
	return activity;
}

/* did counts one deed of the current process. */
static __always_inline void did(enum leak_deed deed)
{
	struct leak_activity *activity = activity_of(bpf_get_current_task_btf()->group_leader);

	if (activity)
		__sync_fetch_and_add(&activity->count[deed], 1);
}

/* site_born counts one creation. */
static __always_inline void site_born(__u64 stack)
{
	__u32 first = 0;
	void *counts = bpf_map_lookup_elem(&sites, &first);
	struct leak_site *site, fresh = {};

	site = counts ? bpf_map_lookup_elem(counts, &stack) : NULL;
	if (counts && !site) {
		/* Two creators may get here at once; both then find the entry. */
		map_insert(counts, &stack, &fresh);
		site = bpf_map_lookup_elem(counts, &stack);
	}
	if (site)
		__sync_fetch_and_add(&site->created, 1);
	else
		count(LEAK_LOST_SITE);
}

/* comm_copy copies a task's name. */
static __always_inline void comm_copy(__u8 *to, struct task_struct *task)
{
	((__u64 *)to)[0] = ((__u64 *)task->comm)[0];
	((__u64 *)to)[1] = ((__u64 *)task->comm)[1];
}

/*
 * birth_record fills in who creates an object now: the current process. The
 * record shows once created is set. It must be counted by site_born after that:
 * an object that was counted and does not show was given back.
 */
static __always_inline void birth_record(struct leak_birth *birth, __u64 stack, __u64 created)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;

	birth->stack = stack;
	birth->creator_tgid = leader->tgid;
	birth->creator_start = leader->start_time;
	birth->before_tracing = 0; /* an iterator may have been here first */
	comm_copy(birth->creator_comm, leader);
	barrier();
	birth->created = created;
	barrier();
}

#endif
