/* SPDX-License-Identifier: GPL-2.0-only */
/* task.bpf.h: child processes and threads, from clone to the end. */
#ifndef LEAK_TASK_BPF_H
#define LEAK_TASK_BPF_H

/* child_born records a process forked by current, and follows it if asked to. */
static __always_inline void child_born(struct task_struct *child, struct leak_task *record,
				       struct leak_proc *proc)
{
	struct leak_proc inherited = { .space = proc->space, .follow = 1 };

	birth_record(&record->process, capture_stack(proc, LEAK_CHILD));
	did(LEAK_FORKED);
	if (!proc->follow)
		return;
	/* fork copies the mappings, vfork shares them: the space serves both. */
	if (bpf_task_storage_get(&procs, child, &inherited, BPF_LOCAL_STORAGE_GET_F_CREATE))
		notify(LEAK_EVENT_FORK, child->tgid, proc->space);
	else
		count(LEAK_LOST_STORAGE);
}

static __always_inline void thread_born(struct task_struct *thread, struct leak_task *record,
					struct leak_proc *proc)
{
	struct task_struct *leader = bpf_get_current_task_btf()->group_leader;
	struct leak_task *process = bpf_task_storage_get(&tasks, leader, 0, 0);
	struct leak_tcb_key key = {};

	if (process)
		record->process = process->process;
	record->follow = proc->follow;
	record->tcb = arch_tcb(thread);
	birth_record(&record->thread, capture_stack(proc, LEAK_THREAD));
	did(LEAK_STARTED);
	/* Whatever thread had this block before, its block was given back. */
	key.tcb = record->tcb;
	key.tgid = thread->tgid;
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

	if (!process || !process->process.created)
		return;
	record = bpf_task_storage_get(&tasks, thread, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (record)
		record->process = process->process;
	else
		count(LEAK_LOST_STORAGE);
}

SEC("tp_btf/task_newtask")
int BPF_PROG(task_newtask, struct task_struct *task, __u64 clone_flags)
{
	struct leak_proc *proc = traced();
	struct leak_task *record;

	if (task->flags & LEAK_PF_KERNEL_WORKER)
		return 0;
	if (!proc) {
		if (clone_flags & CLONE_THREAD)
			thread_of_child(task);
		return 0;
	}
	record = bpf_task_storage_get(&tasks, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!record)
		count(LEAK_LOST_STORAGE);
	else if (clone_flags & CLONE_THREAD)
		thread_born(task, record, proc);
	else
		child_born(task, record, proc);
	return 0;
}

/* thread_ended remembers a thread that may yet have to be joined. */
static __always_inline void thread_ended(struct task_struct *thread, const struct leak_task *record)
{
	struct leak_tcb_key key = { .tcb = record->tcb, .tgid = thread->tgid };
	struct leak_tcb tcb = {
		.birth = record->thread,
		.process_start = thread->group_leader->start_time,
		.exited = bpf_ktime_get_ns(),
		.tid = thread->pid,
	};

	if (!record->tcb)
		return;
	BPF_CORE_READ_STR_INTO(&tcb.comm, thread, comm);
	if (bpf_map_update_elem(&tcbs, &key, &tcb, BPF_ANY))
		count(LEAK_LOST_TCB);
}

/* process_ended stamps a child whose last thread ends: from now it must be reaped. */
static __always_inline void process_ended(struct task_struct *task)
{
	struct leak_task *record = bpf_task_storage_get(&tasks, task->group_leader, 0, 0);

	if (record && record->process.created)
		record->exited = bpf_ktime_get_ns();
	if (traced())
		notify(LEAK_EVENT_EXIT, task->tgid, 0);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(sched_process_exit, struct task_struct *task)
{
	struct leak_task *record;

	if (!task->signal->live.counter) {
		process_ended(task);
		return 0;
	}
	/* A process that is being killed or replaced takes its threads along. */
	if (task->pid == task->tgid || task->signal->flags & LEAK_SIGNAL_GROUP_EXIT || !traced())
		return 0;
	record = bpf_task_storage_get(&tasks, task, 0, 0);
	if (record)
		thread_ended(task, record);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sched_process_exec, struct task_struct *task, pid_t old_pid)
{
	struct leak_task *record = bpf_task_storage_get(&tasks, task, 0, 0);
	struct leak_proc fresh = {};

	/* exec by a thread makes it the leader; the mark went with the old one. */
	if (old_pid != task->pid && record && record->thread.created) {
		fresh.follow = record->follow;
		bpf_task_storage_get(&procs, task, &fresh, BPF_LOCAL_STORAGE_GET_F_CREATE);
	}
	if (traced())
		notify(LEAK_EVENT_EXEC, task->tgid, 0);
	return 0;
}

#endif
