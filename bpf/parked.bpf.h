/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * parked.bpf.h: where the threads of traced processes are now. Only registers
 * are read here; Go reads the stacks, and runs this again to learn which
 * threads have run meanwhile.
 */
#ifndef LEAK_PARKED_BPF_H
#define LEAK_PARKED_BPF_H

/*
 * A thread that has given up its processor and was not woken yet. on_cpu is an
 * int, but one byte in 7.2: only this macro reads what the kernel has.
 */
static __always_inline bool is_blocked(const struct task_struct *task)
{
	return task->__state && !BPF_CORE_READ_BITFIELD(task, on_cpu);
}

static __always_inline __u64 switches(const struct task_struct *task)
{
	return task->nvcsw + task->nivcsw;
}

/*
 * Switches are counted before a thread leaves its processor. If they are read
 * before and after it was seen blocked, here and in the next run, and are all
 * the same, then it has been blocked from here to there.
 */
SEC("iter/task")
int parked_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct leak_parked out = {};
	struct pt_regs *user;

	if (!task || task->exit_state || task->flags & LEAK_PF_KERNEL_WORKER ||
	    !bpf_task_storage_get(&procs, task->group_leader, 0, 0))
		return 0;
	out.tid = task->pid;
	out.tgid = task->tgid;
	out.start_stack = task->mm->start_stack;
	out.switches = switches(task);
	barrier();
	out.running = !is_blocked(task);
	barrier();
	user = (struct pt_regs *)bpf_task_pt_regs(task);
	arch_user_regs(&out.regs, user);
	out.interrupted = arch_interrupted(user);
	barrier();
	if (switches(task) != out.switches)
		out.running = 1;
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
