/* SPDX-License-Identifier: GPL-2.0-only */
/* queue.bpf.h: connections that nobody has accepted yet. */
#ifndef LEAK_QUEUE_BPF_H
#define LEAK_QUEUE_BPF_H

/* How many of a listener's queue are looked at: the iterator's buffer holds no more. */
#define LEAK_QUEUE_MAX 100

/* record_addresses copies both ends of a connection. */
static __always_inline void record_addresses(struct leak_sock_record *out, const struct sock *sk)
{
	__u32 local, remote;

	out->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	out->remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == LEAK_AF_INET6) {
		out->ipv6 = 1;
		BPF_CORE_READ_INTO(&out->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&out->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
		return;
	}
	local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	__builtin_memcpy(out->local, &local, sizeof(local));
	__builtin_memcpy(out->remote, &remote, sizeof(remote));
}

/*
 * record_queued fills in one connection of a queue, and tells whether its peer
 * has closed. It may be accepted or freed meanwhile, for the queue is not locked:
 * what is read is then rubbish, which the check of its state and listener keeps
 * out. It is a global function so that the verifier checks it once, and takes
 * an address since what is read from memory has no type.
 */
__noinline int record_queued(struct leak_sock_record *out, __u64 request_at)
{
	const struct request_sock *request = (const struct request_sock *)request_at;
	struct sock *sk = BPF_CORE_READ(request, sk);
	__u32 waiting;

	if (!out || !sk || BPF_CORE_READ(sk, __sk_common.skc_state) != TCP_CLOSE_WAIT)
		return false;
	record_addresses(out, sk);
	waiting = BPF_CORE_READ((struct tcp_sock *)sk, rcv_nxt) -
		  BPF_CORE_READ((struct tcp_sock *)sk, copied_seq);
	out->unread = waiting ? waiting - 1 : 0; /* a FIN counts one */
	return true;
}

/* snapshot_queue writes out a listener and its accept queue. */
static __always_inline int snapshot_queue(struct bpf_iter__task_file *ctx, struct sock *sk,
					  struct leak_sock_record *out)
{
	struct request_sock *request;

	out->role = LEAK_SOCK_LISTENER;
	out->state = TCP_LISTEN;
	out->unread = BPF_CORE_READ(sk, sk_ack_backlog);
	record_addresses(out, sk);
	bpf_seq_write(ctx->meta->seq, out, sizeof(*out));
	out->role = LEAK_SOCK_QUEUED;
	out->state = TCP_CLOSE_WAIT;
	request = BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_accept_queue.rskq_accept_head);
	for (int i = 0; i < LEAK_QUEUE_MAX && request; i++) {
		if (BPF_CORE_READ(request, __req_common.skc_listener) == sk &&
		    record_queued(out, (__u64)request))
			bpf_seq_write(ctx->meta->seq, out, sizeof(*out));
		request = BPF_CORE_READ(request, dl_next);
	}
	return 0;
}

#endif
