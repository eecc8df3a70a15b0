/* SPDX-License-Identifier: GPL-2.0-only */
/* task.bpf.h: child processes and threads, from clone to the end. */
#ifndef LEAK_TASK_BPF_H
#define LEAK_TASK_BPF_H

/* child_born records a process forked by current, and follows it if asked to. */
static __always_inline void child_born(struct task_struct *child, struct leak_proc *proc)
{
	struct leak_task *record = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	struct leak_proc inherited = { .space = proc->space, .follow = 1 };

	if (!record) {
		count(LEAK_LOST_STORAGE);
		return;
	}
	birth_record(&record->birth, capture_stack(proc, LEAK_CHILD), child->start_time);
	site_born(record->birth.stack);
	did(LEAK_FORKED);
	if (!proc->follow)
		return;
	/* fork copies the mappings, vfork shares them: the space serves both. */
	if (bpf_task_storage_get(&procs, child, &inherited, BPF_LOCAL_STORAGE_GET_F_CREATE))
		notify(LEAK_EVENT_FORK, child->tgid, proc->space);
	else
		count(LEAK_LOST_STORAGE);
}

static __always_inline void thread_born(struct task_struct *thread, struct leak_proc *proc)
{
	struct leak_task *process = bpf_task_storage_get(&tasks, thread->group_leader, 0, 0);
	struct leak_thread record = {
		.tcb = arch_tcb(thread),
		.follow = proc->follow,
	};
	struct leak_tcb_key key = { .tcb = record.tcb, .tgid = thread->tgid };
	__u32 tid = thread->pid;

	if (process)
		record.process = process->birth;
	birth_record(&record.birth, capture_stack(proc, LEAK_THREAD), thread->start_time);
	if (bpf_map_update_elem(&threads, &tid, &record, BPF_ANY))
		count(LEAK_LOST_THREAD);
	else
		site_born(record.birth.stack);
	did(LEAK_STARTED);
	/* Whatever thread had this block before, its block was given back. */
	bpf_map_delete_elem(&tcbs, &key);
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

SEC("tp_btf/task_newtask")
int BPF_PROG(task_newtask, struct task_struct *task, __u64 clone_flags)
{
	struct leak_proc *proc = traced();

	if (task->flags & LEAK_PF_KERNEL_WORKER)
		return 0;
	if (!proc) {
		if (clone_flags & CLONE_THREAD)
			thread_of_child(task);
	} else if (clone_flags & CLONE_THREAD) {
		thread_born(task, proc);
	} else {
		child_born(task, proc);
	}
	return 0;
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
	};

	if (!record->tcb)
		return;
	comm_copy(tcb.comm, thread);
	if (bpf_map_update_elem(&tcbs, &key, &tcb, BPF_ANY))
		count(LEAK_LOST_TCB);
}

/* goes_along: the thread's process is being killed, or replaced by exec. */
static __always_inline bool goes_along(struct signal_struct *signal)
{
	/* Before 5.17 it has another name, and such threads count as finished. */
	if (bpf_core_field_exists(signal->group_exec_task) && signal->group_exec_task)
		return true;
	return signal->flags & LEAK_SIGNAL_GROUP_EXIT;
}

/*
 * thread_ended takes a thread off the list of those alive; it is on that of the
 * finished ones by then. A process that is being killed or replaced takes its
 * threads along.
 */
static __always_inline void thread_ended(struct task_struct *thread)
{
	__u32 tid = thread->pid;
	struct leak_thread *record = bpf_map_lookup_elem(&threads, &tid);

	if (!record)
		return;
	if (thread->signal->live.counter && !goes_along(thread->signal))
		thread_held(thread, record);
	bpf_map_delete_elem(&threads, &tid);
}

/* process_ended stamps a child whose last thread ends: from now it must be reaped. */
static __always_inline void process_ended(struct task_struct *task)
{
	struct leak_task *record = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);

	if (record && record->birth.created)
		record->exited = bpf_ktime_get_ns();
	if (traced())
		notify(LEAK_EVENT_EXIT, task->tgid, 0);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	if (task->pid != task->tgid && traced())
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
	bpf_map_delete_elem(&threads, &tid);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, pid_t old_pid)
{
	if (old_pid != task->pid)
		thread_became_process(task, old_pid);
	if (traced())
		notify(LEAK_EVENT_EXEC, task->tgid, 0);
	return 0;
}

#endif
