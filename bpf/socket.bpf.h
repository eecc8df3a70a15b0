/* SPDX-License-Identifier: GPL-2.0-only */
/* socket.bpf.h: TCP sockets, from connect or first use to CLOSE_WAIT. */
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
	return record;
}

/*
 * socket_used stamps a socket that no connect of ours made: an accepted one.
 * accept itself has no tracepoint; its first use runs in its user's context.
 */
static __always_inline int socket_used(struct sock *sk, bool eof)
{
	struct leak_proc *proc = traced();
	struct leak_sock *record;

	if (!proc || !is_tcp(sk))
		return 0;
	record = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!record)
		record = socket_born(sk, proc, true);
	if (record && eof)
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
