/* A client in a process of its own, as clients are: what it does is no activity
 * of the server that the tests trace. Needs start_listener. */
#ifndef CLIENT_H
#define CLIENT_H

#include "loopback.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

static int client_orders = -1;

static inline void request_once(void)
{
	char answer[16];
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	need(send(fd, "please\n", 7, MSG_NOSIGNAL), "send");
	while (need(recv(fd, answer, sizeof(answer), 0), "recv") > 0)
		;
	close(fd);
}

static inline _Noreturn void request_as_ordered(int orders)
{
	long count;

	while (need(read(orders, &count, sizeof(count)), "read") == sizeof(count))
		while (count-- > 0)
			request_once();
	_exit(0);
}

/* Before any thread is started. It reads each answer to its end and closes. */
static inline void start_client(void)
{
	int ends[2];

	need(pipe2(ends, O_CLOEXEC), "pipe2");
	if (need(fork(), "fork") == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(listener);
		close(ends[1]);
		request_as_ordered(ends[0]);
	}
	close(ends[0]);
	client_orders = ends[1];
}

/* The client sends that many requests, one after the other; returns at once. */
static inline void order_requests(long count)
{
	need(write(client_orders, &count, sizeof(count)), "write");
}

#endif
