/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * snapshot.bpf.h: iterators over the kernel's own lists. mark_* put what was
 * there before tracing into the ledger; snapshot_* read the ledger out.
 */
#ifndef LEAK_SNAPSHOT_BPF_H
#define LEAK_SNAPSHOT_BPF_H

/* birth_before fills in the birth of an object older than its tracing. */
static __always_inline void birth_before(struct leak_birth *birth, struct task_struct *creator,
					 __u64 created)
{
	birth->before_tracing = 1;
	birth->created = created;
	birth->creator_tgid = creator->tgid;
	birth->creator_start = creator->start_time;
	comm_copy(birth->creator_comm, creator);
}

static __always_inline void mark_thread(struct task_struct *thread, const struct leak_proc *proc)
{
	struct leak_thread record = {
		.tcb = arch_tcb(thread),
		.scope = proc->scope,
		.follow = proc->follow,
	};
	__u32 tid = thread->pid;
	int error;

	if (bpf_map_lookup_elem(&threads, &tid) || !entry_taken(proc->scope, LEAK_BUDGET_THREADS))
		return;
	birth_before(&record.birth, thread->group_leader, thread->start_time);
	error = map_insert(&threads, &tid, &record);
	if (error)
		entry_given(record.scope, LEAK_BUDGET_THREADS);
	if (error == -LEAK_E2BIG)
		count(LEAK_LOST_THREAD);
	/* Its exit may have come before the entry. */
	if (!error && thread->flags & LEAK_PF_EXITING)
		thread_forgotten(tid, record.scope);
}

static __always_inline void mark_child(struct task_struct *child, struct task_struct *parent)
{
	struct leak_task *record;

	if (bpf_task_storage_get(&tasks, child, 0, 0))
		return;
	record = bpf_task_storage_get(&tasks, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (record)
		birth_before(&record->birth, parent, child->start_time);
	else
		count(LEAK_LOST_STORAGE);
}

SEC("iter/task")
int mark_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *creator;
	struct leak_proc *proc;
	bool is_thread;

	if (!task || task->flags & LEAK_PF_KERNEL_WORKER)
		return 0;
	is_thread = task->pid != task->tgid;
	creator = is_thread ? task->group_leader : task->real_parent->group_leader;
	proc = recorded(creator);
	if (!proc)
		return 0;
	if (is_thread)
		mark_thread(task, proc);
	else
		mark_child(task, creator);
	return 0;
}

/* tcp_sock_of returns the TCP socket behind a file, or NULL. */
static __always_inline struct sock *tcp_sock_of(struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);
	struct sock *sk = socket ? socket->sk : NULL;

	return sk && is_tcp(sk) ? sk : NULL;
}

/*
 * listener_of returns the TCP socket that listens for a file, or NULL. That of a
 * listener for multipath TCP, as Go makes them from 1.24 on, is its first
 * subflow. It may only be read by BPF_CORE_READ.
 */
static __always_inline struct sock *listener_of(struct file *file)
{
	struct socket *socket = bpf_sock_from_file(file);
	struct sock *sk = socket ? socket->sk : NULL;

	if (!sk || sk->__sk_common.skc_state != TCP_LISTEN)
		return NULL;
	if (is_tcp(sk))
		return sk;
	if (sk->sk_protocol != IPPROTO_MPTCP || !bpf_core_field_exists(struct mptcp_sock, first))
		return NULL;
	return BPF_CORE_READ((struct mptcp_sock *)sk, first);
}

SEC("iter/task_file")
int mark_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct leak_sock *record;
	struct sock *sk;

	if (!task || !file || !recorded(task->group_leader))
		return 0;
	sk = tcp_sock_of(file);
	if (!sk || bpf_sk_storage_get(&socks, sk, 0, 0))
		return 0;
	record = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (record)
		birth_before(&record->birth, task->group_leader, bpf_ktime_get_ns());
	else
		count(LEAK_LOST_STORAGE);
	return 0;
}

/*
 * is_zombie: ended and waiting to be reaped. A leader that ended before its
 * threads cannot be reaped yet.
 */
static __always_inline bool is_zombie(const struct task_struct *task)
{
	return task->exit_state & LEAK_EXIT_ZOMBIE && task->signal->nr_threads == 1;
}

static __always_inline __u32 exit_code(const struct task_struct *task)
{
	if (task->signal->flags & LEAK_SIGNAL_GROUP_EXIT)
		return task->signal->group_exit_code;
	return task->exit_code;
}

/* is_adopted: a zombie that others forked and a traced process must reap. */
static __always_inline bool is_adopted(struct task_struct *task)
{
	return task->pid == task->tgid && is_zombie(task) && recorded(task->real_parent->group_leader);
}

/* record_thread tells whether a thread is in the ledger and alive. */
static __always_inline bool record_thread(struct leak_task_record *out, struct task_struct *task)
{
	__u32 tid = task->pid;
	struct leak_thread *thread = bpf_map_lookup_elem(&threads, &tid);

	if (!thread || task->exit_state)
		return false;
	out->birth = thread->birth;
	out->scope = thread->scope;
	barrier();
	/* Once deleted the entry may be another thread's, also while it is copied. */
	return out->birth.created == task->start_time && thread->birth.created == task->start_time;
}

/* record_child tells whether a child is in the ledger or to be reaped all the same. */
static __always_inline bool record_child(struct leak_task_record *out, struct task_struct *task)
{
	struct leak_task *child = bpf_task_storage_get(&tasks, task, 0, 0);

	if (child) {
		out->birth = child->birth;
		out->exited = child->exited;
	}
	return out->birth.created || is_adopted(task);
}

SEC("iter/task")
int snapshot_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task, *parent;
	struct leak_task_record out = {};
	bool is_thread;

	if (!task)
		return 0;
	is_thread = task->pid != task->tgid;
	if (is_thread ? !record_thread(&out, task) : !record_child(&out, task))
		return 0;
	parent = task->real_parent;
	out.kind = is_thread ? LEAK_THREAD : LEAK_CHILD;
	out.pid = task->pid;
	out.tgid = task->tgid;
	out.parent_tgid = parent->tgid;
	out.parent_start = parent->group_leader->start_time;
	out.exit_code = exit_code(task);
	out.zombie = !is_thread && is_zombie(task);
	comm_copy(out.comm, task);
	comm_copy(out.parent_comm, parent->group_leader);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

/*
 * record_queue tells what the application has not read. A FIN counts one in
 * the sequence, and passes with the data before it: that the sequence was read
 * to its end is only a guess that the application has seen the EOF.
 */
static __always_inline void record_queue(struct leak_sock_record *out, struct sock *sk,
					 const struct leak_sock *record)
{
	struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
	__u32 waiting;

	if (!tcp)
		return;
	waiting = tcp->rcv_nxt - tcp->copied_seq;
	/* splice reads without a tracepoint: then the guess is all there is. */
	if (record && sees_uses && record->was_read)
		out->eof_read = record->eof_read;
	else
		out->eof_read = out->state == TCP_CLOSE_WAIT && !waiting;
	out->unread = out->state == TCP_CLOSE_WAIT && waiting ? waiting - 1 : waiting;
}

/* may_be_peer: a socket that has closed its side while the other has not. */
static __always_inline bool may_be_peer(const struct sock *sk)
{
	__u8 state = sk->__sk_common.skc_state;

	return state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2;
}

static __always_inline void record_holder(struct leak_sock_record *out, struct bpf_iter__task_file *ctx,
					  struct task_struct *task)
{
	out->fd = ctx->fd;
	out->holder_tgid = task->tgid;
	out->holder_start = task->group_leader->start_time;
	comm_copy(out->holder_comm, task->group_leader);
}

/*
 * snapshot_sockets writes out every descriptor of every socket in the ledger,
 * whoever holds it: an inherited one keeps a connection open as well. Of traced
 * processes it writes those that are not in the ledger too, and of all processes
 * listeners and their queues, for a traced one may share them.
 */
SEC("iter/task_file")
int snapshot_sockets(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct leak_sock_record out = { .role = LEAK_SOCK_HELD };
	struct leak_sock *record;
	struct sock *sk;

	if (!task || !file)
		return 0;
	sk = listener_of(file);
	if (sk) {
		record_holder(&out, ctx, task);
		return snapshot_queue(ctx, sk, &out);
	}
	sk = tcp_sock_of(file);
	if (!sk)
		return 0;
	record = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!record && !recorded(task->group_leader)) {
		if (!may_be_peer(sk))
			return 0;
		out.role = LEAK_SOCK_PEER;
	}
	if (record) {
		out.birth = record->birth;
		out.close_wait = record->close_wait;
		out.accepted = record->accepted;
		out.used = record->used;
		out.use_stack = record->use_stack;
	}
	record_holder(&out, ctx, task);
	out.inode = file->f_inode->i_ino;
	out.state = sk->__sk_common.skc_state;
	record_addresses(&out, sk);
	record_queue(&out, sk, record);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

/* is_ending: the process was told to end, or has ended. */
static __always_inline bool is_ending(const struct task_struct *task)
{
	return task->signal->flags & LEAK_SIGNAL_GROUP_EXIT || !task->signal->live.counter;
}

/* Whether every process is to be traced, also one that no event told of. Set by Go. */
volatile bool whole_node = false;

/*
 * snapshot_processes writes out every traced process, and every one that should be.
 * It is read last: what was read before of those that are not ending yet is all
 * that they held.
 */
SEC("iter/task")
int snapshot_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct leak_process_record out = {};
	struct leak_activity *activity;

	if (!task || task->pid != task->tgid)
		return 0;
	out.unmarked = !marked(task);
	if (out.unmarked && (!whole_node || !task->mm || task->flags & LEAK_PF_KERNEL_WORKER))
		return 0;
	activity = bpf_task_storage_get(&activities, task, 0, 0);
	if (activity)
		out.activity = *activity;
	out.tgid = task->tgid;
	out.start = task->start_time;
	out.start_stack = task->mm->start_stack; /* a fault reads 0 */
	out.code_pages = task->mm->exec_vm;
	out.ending = is_ending(task);
	comm_copy(out.comm, task);
	bpf_seq_write(ctx->meta->seq, &out, sizeof(out));
	return 0;
}

#endif
