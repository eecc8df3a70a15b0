/* SPDX-License-Identifier: GPL-2.0-only */
/* task.bpf.h: child processes and threads, from clone to the end. */
#ifndef LEAK_TASK_BPF_H
#define LEAK_TASK_BPF_H

/* child_born records a process forked by current. */
static __always_inline void child_born(struct task_struct *child, struct leak_proc *proc)
{
	struct leak_task *record = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!record) {
		count(LEAK_LOST_STORAGE);
		return;
	}
	birth_record(&record->birth, capture_stack(proc, LEAK_CHILD), child->start_time);
	site_born(record->birth.stack);
	did(LEAK_FORKED);
}

/* child_followed marks a child as its parent is, whose image it shares until an exec. */
static __always_inline void child_followed(struct task_struct *child, const struct leak_proc *proc)
{
	/* fork copies the mappings, vfork shares them: the space serves both. */
	struct leak_proc inherited = {
		.space = proc->space,
		.scope = proc->scope,
		.follow = 1,
		.muted = proc->muted,
	};

	/* Of a child that is muted nothing is read. */
	enum leak_budget budget = proc->space || proc->muted ? LEAK_BUDGET_EVENTS : LEAK_BUDGET_LOOKS;

	if (!bpf_task_storage_get(&procs, child, &inherited, BPF_LOCAL_STORAGE_GET_F_CREATE))
		count(LEAK_LOST_STORAGE);
	else
		notify(LEAK_EVENT_FORK, budget, proc->scope, child->tgid,
		       (__u64)proc->scope << LEAK_ID_SCOPE_SHIFT | proc->space);
}

/*
 * entry_replace makes an entry that was taken, in place of what is there: the record
 * of an older thread whose end was not seen, whose part is given back then.
 */
static __always_inline int entry_replace(void *map, const void *key, const void *value, __u32 scope,
					 enum leak_budget budget)
{
	int error = map_insert(map, key, value);

	if (error == -LEAK_EEXIST) {
		entry_given(scope, budget);
		error = bpf_map_update_elem(map, key, value, BPF_ANY);
	}
	if (error)
		entry_given(scope, budget);
	return error;
}

/* thread_kept enters a thread that begins into the ledger. */
static __always_inline bool thread_kept(struct task_struct *thread, const struct leak_thread *record)
{
	__u32 tid = thread->pid;

	if (!entry_replace(&threads, &tid, record, record->scope, LEAK_BUDGET_THREADS))
		return true;
	count(LEAK_LOST_THREAD);
	return false;
}

/* tcb_given is for a control block that has a new thread: it was given back. */
static __always_inline void tcb_given(const struct leak_tcb_key *key)
{
	struct leak_tcb *tcb = bpf_map_lookup_elem(&tcbs, key);
	__u32 scope = tcb ? tcb->scope : 0;

	if (tcb && !bpf_map_delete_elem(&tcbs, key))
		entry_given(scope, LEAK_BUDGET_TCBS);
}

static __always_inline void thread_born(struct task_struct *thread, struct leak_proc *proc)
{
	struct leak_task *process = bpf_task_storage_get(&tasks, thread->group_leader, 0, 0);
	struct leak_thread record = {
		.tcb = arch_tcb(thread),
		.scope = proc->scope,
		.follow = proc->follow,
	};
	struct leak_tcb_key key = { .tcb = record.tcb, .tgid = thread->tgid };

	if (process)
		record.process = process->birth;
	if (entry_taken(proc->scope, LEAK_BUDGET_THREADS)) {
		birth_record(&record.birth, capture_stack(proc, LEAK_THREAD), thread->start_time);
		if (thread_kept(thread, &record))
			site_born(record.birth.stack);
	}
	did(LEAK_STARTED);
	tcb_given(&key);
}

/*
 * thread_of_child gives a thread of a process that is not traced, but was
 * forked by one that is, its process's birth: see struct leak_task.
 */
static __always_inline void thread_of_child(struct task_struct *thread)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	struct leak_task *process = bpf_task_storage_get(&tasks, leader, 0, 0), *record;

	if (!process || !process->birth.created)
		return;
	record = bpf_task_storage_get(&tasks, thread, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (record)
		record->birth = process->birth;
	else
		count(LEAK_LOST_STORAGE);
}

/*
 * is_task_done is is_done of the birth or end of a task, which it numbers by its
 * start. What only the twin has seen is counted for Go: of what the first hook
 * was skipped for, the rest was lost.
 */
static __always_inline bool is_task_done(struct task_struct *task)
{
	if (is_done(task->start_time))
		return true;
	if (twin)
		count(LEAK_TWIN_SAW);
	return false;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(task_newtask, struct task_struct *task, __u64 clone_flags)
{
	struct leak_proc *proc;

	if (is_task_done(task) || task->flags & LEAK_PF_KERNEL_WORKER)
		return 0;
	proc = marked(bpf_get_current_task_btf()->group_leader);
	if (clone_flags & CLONE_THREAD) {
		if (proc && !proc->muted)
			thread_born(task, proc);
		else
			thread_of_child(task);
	} else if (proc) {
		if (!proc->muted)
			child_born(task, proc);
		if (proc->follow)
			child_followed(task, proc);
	}
	return 0;
}

/*
 * has_younger: a younger thread has ended on the same control block, so this one was
 * joined. Before 6.16 a thread wakes who joins it before its own end is seen here, and
 * may be preempted in between.
 */
static __always_inline bool has_younger(const struct leak_tcb_key *key, const struct leak_thread *record)
{
	struct leak_tcb *tcb = bpf_map_lookup_elem(&tcbs, key);

	return tcb && tcb->birth.created > record->birth.created;
}

/* thread_held remembers a finished thread that may yet have to be joined. */
static __always_inline void thread_held(struct task_struct *thread, const struct leak_thread *record)
{
	struct leak_tcb_key key = { .tcb = record->tcb, .tgid = thread->tgid };
	struct leak_tcb tcb = {
		.birth = record->birth,
		.process_start = thread->group_leader->start_time,
		.exited = bpf_ktime_get_ns(),
		.tid = thread->pid,
		.scope = record->scope,
	};

	if (!record->tcb || has_younger(&key, record) || !entry_taken(record->scope, LEAK_BUDGET_TCBS))
		return;
	comm_copy(tcb.comm, thread);
	if (entry_replace(&tcbs, &key, &tcb, record->scope, LEAK_BUDGET_TCBS))
		count(LEAK_LOST_TCB);
}

/* thread_forgotten takes a thread off the list of those alive. */
static __always_inline void thread_forgotten(__u32 tid, __u32 scope)
{
	/* mark_thread may have been first. */
	if (!bpf_map_delete_elem(&threads, &tid))
		entry_given(scope, LEAK_BUDGET_THREADS);
}

/* is_replacing: another thread of the process has called exec, which ends this one. */
static __always_inline bool is_replacing(struct signal_struct *signal)
{
	/* Before 5.17 it has another name, and such threads count as finished. */
	return bpf_core_field_exists(signal->group_exec_task) && signal->group_exec_task;
}

/* process_replacing notes that from now on only some of a process's threads are there. */
static __always_inline void process_replacing(struct task_struct *leader)
{
	struct leak_activity *activity = activity_of(leader);

	if (activity)
		activity->replacing = 1;
}

/*
 * thread_ended takes a thread off the list of those alive; it is on that of the
 * finished ones by then. A process that is being killed or replaced takes its
 * threads along; of the latter a snapshot has to know, for the process lives on.
 */
static __always_inline void thread_ended(struct task_struct *thread)
{
	struct signal_struct *signal = thread->signal;
	__u32 tid = thread->pid;
	struct leak_thread *record = bpf_map_lookup_elem(&threads, &tid);

	if (is_replacing(signal))
		process_replacing(thread->group_leader);
	else if (record && signal->live.counter && !(signal->flags & LEAK_SIGNAL_GROUP_EXIT))
		thread_held(thread, record);
	if (record)
		thread_forgotten(tid, record->scope);
}

/* process_ended stamps a child whose last thread ends: from now it must be reaped. */
static __always_inline void process_ended(struct task_struct *task)
{
	struct leak_task *record = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);
	struct leak_proc *proc;

	if (record && record->birth.created)
		record->exited = bpf_ktime_get_ns();
	proc = marked(task->group_leader);
	if (proc)
		notify(LEAK_EVENT_EXIT, LEAK_BUDGET_EVENTS, proc->scope, task->tgid, 0);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	if (is_task_done(task))
		return 0;
	if (task->pid != task->tgid && marked(task->group_leader))
		thread_ended(task);
	if (!task->signal->live.counter)
		process_ended(task);
	return 0;
}

/*
 * thread_became_process: exec by a thread makes it the leader; what was known of
 * the process went with the old one.
 */
static __always_inline void thread_became_process(struct task_struct *task, __u32 tid)
{
	struct leak_thread *thread = bpf_map_lookup_elem(&threads, &tid);
	struct leak_proc fresh = {};
	struct leak_task *record;

	if (!thread || thread->birth.creator_tgid != task->tgid)
		return;
	fresh.scope = thread->scope;
	fresh.follow = thread->follow;
	if (!bpf_task_storage_get(&procs, task, &fresh, BPF_LOCAL_STORAGE_GET_F_CREATE))
		count(LEAK_LOST_STORAGE);
	if (thread->process.created) {
		record = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (record)
			record->birth = thread->process;
		else
			count(LEAK_LOST_STORAGE);
	}
	thread_forgotten(tid, thread->scope);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, pid_t old_pid)
{
	struct leak_activity *activity;
	struct leak_proc *proc;

	if (old_pid != task->pid)
		thread_became_process(task, old_pid);
	activity = bpf_task_storage_get(&activities, task, 0, 0);
	if (activity)
		activity->replacing = 0;
	proc = marked(task);
	if (proc)
		notify(LEAK_EVENT_EXEC, LEAK_BUDGET_LOOKS, proc->scope, task->tgid, 0);
	return 0;
}

#endif
