/* SPDX-License-Identifier: GPL-2.0-only */
/* socket.bpf.h: TCP sockets, from connect or first use to the last one. */
#ifndef LEAK_SOCKET_BPF_H
#define LEAK_SOCKET_BPF_H

/* is_tcp keeps MPTCP, DCCP and SCTP out, which share some tracepoints. */
static __always_inline bool is_tcp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP &&
	       (sk->__sk_common.skc_family == LEAK_AF_INET || sk->__sk_common.skc_family == LEAK_AF_INET6);
}

static __always_inline struct leak_sock *socket_born(struct sock *sk, struct leak_proc *proc,
						     bool accepted)
{
	struct leak_sock *record = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!record) {
		count(LEAK_LOST_STORAGE);
		return NULL;
	}
	record->accepted = accepted;
	/* The peer may have closed before the first use. */
	if (sk->__sk_common.skc_state == TCP_CLOSE_WAIT)
		record->close_wait = bpf_ktime_get_ns();
	birth_record(&record->birth, capture_stack(proc, LEAK_SOCKET));
	did(accepted ? LEAK_ACCEPTED : LEAK_CONNECTED);
	return record;
}

/*
 * The stacks of so many uses are captured at once, and then of one in so long.
 * In between, a look now and then at the path of a use tells whether it is
 * another one. In ticks of the kernel's, of 1 to 10 ms: a finer clock would be
 * half of a use's cost.
 */
#define LEAK_USE_BURST 8
#define LEAK_USE_INTERVAL 25
#define LEAK_USE_LOOK 3

/*
 * use_paid takes a capture from what a socket may spend. A walk costs a
 * microsecond or two, which a stream of reads and writes must not pay for each
 * of them; but of a socket that is used now and then, as one borrowed from a
 * pool is, every use counts, for any may turn out to be the last.
 */
static __always_inline bool use_paid(struct leak_sock *record, __u64 tick)
{
	__u64 paid = record->paid > tick ? record->paid : tick;

	if (paid - tick >= LEAK_USE_BURST * LEAK_USE_INTERVAL)
		return false;
	record->paid = paid + LEAK_USE_INTERVAL;
	return true;
}

/*
 * use_capture captures the stack of a use. A process that is not traced may use
 * a socket that one that is has created: of that use there is no stack.
 */
static __always_inline void use_capture(struct leak_sock *record, __u64 path)
{
	struct leak_proc *proc = traced();

	record->use_path = path;
	record->use_stack = proc ? capture_stack(proc, LEAK_USE) : 0;
}

/* use_record notes a use. */
static __always_inline void use_record(struct leak_sock *record)
{
	struct task_struct *current;
	__u64 tick = bpf_jiffies64(), path;
	bool paid = use_paid(record, tick);

	if (tick != record->tick) {
		record->tick = tick;
		record->used = bpf_ktime_get_ns();
	}
	if (!paid && tick - record->looked < LEAK_USE_LOOK)
		return;
	record->looked = tick;
	current = bpf_get_current_task_btf();
	if (current->flags & LEAK_PF_KERNEL_WORKER)
		return;
	path = hash_mix(arch_path((struct pt_regs *)bpf_task_pt_regs(current)), current->pid);
	if (paid || path != record->use_path)
		use_capture(record, path);
}

/*
 * socket_used notes a use, and stamps a socket that no connect of ours made: an
 * accepted one. accept itself has no tracepoint; its first use runs in its
 * user's context.
 */
static __always_inline int socket_used(struct sock *sk, bool eof)
{
	struct leak_sock *record = bpf_sk_storage_get(&socks, sk, 0, 0);
	struct leak_proc *proc;

	if (record) {
		use_record(record);
	} else {
		proc = traced();
		if (!proc || !is_tcp(sk))
			return 0;
		record = socket_born(sk, proc, true);
		if (!record)
			return 0;
		record->use_stack = record->birth.stack;
		record->used = record->birth.created;
	}
	if (eof)
		record->eof_read = 1;
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(inet_sock_set_state, struct sock *sk, int old_state, int new_state)
{
	struct leak_sock *record;
	struct leak_proc *proc;

	if (!is_tcp(sk))
		return 0;
	if (new_state == TCP_CLOSE_WAIT) {
		record = bpf_sk_storage_get(&socks, sk, 0, 0);
		if (record)
			record->close_wait = bpf_ktime_get_ns();
		return 0;
	}
	/* Only this transition is certain to run in the caller's context. */
	if (old_state != TCP_CLOSE || new_state != TCP_SYN_SENT)
		return 0;
	proc = traced();
	if (proc)
		socket_born(sk, proc, false);
	return 0;
}

/* From 6.3 on. A read of 0 bytes by which data were only asked for is no EOF. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(sock_recv_length, struct sock *sk, int length, int flags)
{
	return socket_used(sk, !length && sk->__sk_common.skc_state == TCP_CLOSE_WAIT &&
				       !(flags & LEAK_MSG_PEEK));
}

/* From 6.3 on. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(sock_send_length, struct sock *sk)
{
	return socket_used(sk, false);
}

/* Before 6.3: sees reads only. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(tcp_rcv_space_adjust, struct sock *sk)
{
	return socket_used(sk, false);
}

#endif
