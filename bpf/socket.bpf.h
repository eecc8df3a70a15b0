/* SPDX-License-Identifier: GPL-2.0-only */
/* socket.bpf.h: TCP sockets, from connect, accept or first use to the last one. */
#ifndef LEAK_SOCKET_BPF_H
#define LEAK_SOCKET_BPF_H

/* is_tcp keeps DCCP and SCTP out, which share some tracepoints. */
static __always_inline bool is_tcp(const struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_TCP &&
	       (sk->__sk_common.skc_family == LEAK_AF_INET || sk->__sk_common.skc_family == LEAK_AF_INET6);
}

static __always_inline struct leak_sock *socket_born(struct sock *sk, struct leak_proc *proc,
						     enum leak_accepted accepted)
{
	struct leak_sock *record = bpf_sk_storage_get(&socks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);

	if (!record) {
		count(LEAK_LOST_STORAGE);
		return NULL;
	}
	record->accepted = accepted;
	/* connect can use a socket again that was connected before. */
	record->close_wait = record->used = record->use_stack = 0;
	record->eof_read = record->was_read = 0;
	/* The peer may have closed before the first use. */
	if (sk->__sk_common.skc_state == TCP_CLOSE_WAIT)
		record->close_wait = bpf_ktime_get_ns();
	birth_record(&record->birth, capture_stack(proc, LEAK_SOCKET), bpf_ktime_get_ns());
	site_born(record->birth.stack);
	did(accepted ? LEAK_ACCEPTED : LEAK_CONNECTED);
	return record;
}

/*
 * What a socket may spend on walks, in ticks of the kernel's, of 1 to 10 ms (a
 * finer clock would be half of a use's cost): one earns a tick's worth in each,
 * and saves up no more than this.
 */
#define LEAK_USE_SAVED 200
#define LEAK_USE_SAVED_OTHER (LEAK_USE_SAVED + 64)
#define LEAK_USE_PRICE 25
#define LEAK_USE_PRICE_OTHER 1

/*
 * use_paid takes a walk from what a socket may spend. A walk costs a microsecond
 * or two, which a stream of reads and writes must not pay for each of them. But
 * of a socket that is used now and then every use counts, for any may turn out
 * to be the last; and in a stream every use by another path than the one before,
 * for that is another borrower.
 */
static __always_inline bool use_paid(struct leak_sock *record, bool other)
{
	__u64 paid = record->paid > record->tick ? record->paid : record->tick;
	__u64 price = other ? LEAK_USE_PRICE_OTHER : LEAK_USE_PRICE;
	__u64 saved = other ? LEAK_USE_SAVED_OTHER : LEAK_USE_SAVED;

	if (paid - record->tick + price > saved)
		return false;
	record->paid = paid + price;
	return true;
}

/*
 * Whether sock_recv_length and sock_send_length are hooked: then all uses are
 * seen, of whatever kind. Set by Go before loading.
 */
const volatile bool sees_uses = false;

/*
 * use_record notes a use and captures its stack. A process that is not traced
 * may use a socket that one that is has created: of that use there is no stack.
 */
static __always_inline void use_record(struct leak_sock *record, enum leak_direction direction)
{
	struct task_struct *current = bpf_get_current_task_btf();
	__u64 tick = bpf_jiffies64(), path;
	struct leak_proc *proc;

	/* Of reads in a row, or writes, one a tick is looked at: a borrower does both. */
	if (tick != record->tick) {
		record->tick = tick;
		record->used = bpf_ktime_get_ns();
	} else if (sees_uses && record->direction == direction) {
		return;
	}
	record->direction = direction;
	if (current->flags & LEAK_PF_KERNEL_WORKER)
		return;
	path = arch_path((struct pt_regs *)bpf_task_pt_regs(current));
	if (!use_paid(record, path != record->path[direction]))
		return;
	record->path[direction] = path;
	proc = traced();
	record->use_stack = proc ? capture_stack(proc, LEAK_USE) : 0;
}

/*
 * socket_used notes a use that took or gave something, and stamps a socket that
 * was not seen to be connected or accepted: accept has no tracepoint, and may be
 * out of reach. The first use runs in its user's context.
 */
static __always_inline int socket_used(struct sock *sk, enum leak_direction direction, bool took, bool eof)
{
	struct leak_sock *record = bpf_sk_storage_get(&socks, sk, 0, 0);
	struct leak_proc *proc;

	if (record) {
		if (took)
			use_record(record, direction);
	} else {
		proc = traced();
		if (!proc || !is_tcp(sk))
			return 0;
		record = socket_born(sk, proc, LEAK_ACCEPTED_AT_USE);
		if (!record)
			return 0;
		record->use_stack = record->birth.stack;
		record->used = record->birth.created;
	}
	if (took && direction == LEAK_READ)
		record->was_read = 1;
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
	if (old_state != TCP_CLOSE || new_state != TCP_SYN_SENT || is_done((__u64)sk))
		return 0;
	proc = traced();
	if (proc)
		socket_born(sk, proc, LEAK_NOT_ACCEPTED);
	return 0;
}

/*
 * is_subflow: of a multipath connection, which the application holds in its
 * stead and gives back as a whole.
 */
static __always_inline bool is_subflow(struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	return bpf_core_field_exists(tcp->is_mptcp) && BPF_CORE_READ_BITFIELD_PROBED(tcp, is_mptcp);
}

/*
 * accepted_sock is what inet_csk_accept returns. Commit 92ef0fd55ac8 ("net:
 * change proto and proto_ops accept type") put arguments before it into a struct.
 */
static __always_inline struct sock *accepted_sock(const __u64 *context)
{
	__u64 sk = context[2];

	/* The verifier wants each load at a constant offset. */
	barrier_var(sk);
	if (!bpf_core_type_exists(struct proto_accept_arg))
		sk = context[4];
	return (struct sock *)sk;
}

/*
 * Not every kernel lets a program attach here. The connection came to be in
 * softirq; its acceptor is known from here on, before it has a descriptor.
 */
SEC("fexit/inet_csk_accept")
int inet_csk_accept(__u64 *context)
{
	struct sock *sk = accepted_sock(context);
	struct leak_proc *proc = traced();

	if (proc && sk && is_tcp(sk) && !is_subflow(sk))
		socket_born(sk, proc, LEAK_ACCEPTED_AT_ACCEPT);
	return 0;
}

/* From 6.3 on. Who only peeks, or finds nothing, does not use the connection. */
SEC("tp_btf/sock_recv_length")
int BPF_PROG(sock_recv_length, struct sock *sk, int length, int flags)
{
	bool took = length >= 0 && !(flags & LEAK_MSG_PEEK);

	return socket_used(sk, LEAK_READ, took,
			   took && !length && sk->__sk_common.skc_state == TCP_CLOSE_WAIT);
}

/* From 6.3 on. */
SEC("tp_btf/sock_send_length")
int BPF_PROG(sock_send_length, struct sock *sk, int length)
{
	return socket_used(sk, LEAK_WRITE, length >= 0, false);
}

/* Before 6.3: sees reads only. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(tcp_rcv_space_adjust, struct sock *sk)
{
	return socket_used(sk, LEAK_READ, true, false);
}

#endif
