/* An HTTP server in a process of its own, with connections that are kept alive
 * until it is told to hang up on all of them. Needs start_listener. */
#ifndef SERVER_H
#define SERVER_H

#include "loopback.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

enum { MAX_CONNECTIONS = 8192 };

static int hang_up_now = -1, hung_up = -1;

static const char request_text[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
static const char response_text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

static inline void watch_fd(int epoll, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	need(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

/* Answers, or closes when the client has closed. */
static inline void answer(int fd, bool *open)
{
	char request[256];

	if (need(recv(fd, request, sizeof(request), 0), "recv") == 0) {
		open[fd] = false;
		close(fd);
		return;
	}
	need(send(fd, response_text, sizeof(response_text) - 1, MSG_NOSIGNAL), "send");
}

/* What has connected is in the queue by now, but maybe not accepted yet. */
static inline void accept_all(int epoll, bool *open)
{
	int fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		open[fd] = true;
		watch_fd(epoll, fd);
	}
	if (errno != EAGAIN)
		die("accept");
}

static inline void hang_up_on_all(bool *open, int done)
{
	for (int fd = 0; fd < MAX_CONNECTIONS; fd++)
		if (open[fd])
			close(fd), open[fd] = false;
	need(write(done, "!", 1), "write");
}

static inline _Noreturn void serve(int order, int done)
{
	static bool open[MAX_CONNECTIONS];
	int epoll = (int)need(epoll_create1(0), "epoll_create1");
	struct epoll_event event;
	char byte;

	need(fcntl(listener, F_SETFL, O_NONBLOCK), "fcntl");
	watch_fd(epoll, listener);
	watch_fd(epoll, order);
	while (need(epoll_wait(epoll, &event, 1, -1), "epoll_wait") == 1) {
		if (event.data.fd == listener) {
			accept_all(epoll, open);
		} else if (event.data.fd == order) {
			if (read(order, &byte, 1) != 1)
				_exit(0);
			accept_all(epoll, open);
			hang_up_on_all(open, done);
		} else {
			answer(event.data.fd, open);
		}
	}
	_exit(1);
}

static inline void start_server(void)
{
	int order[2], done[2];

	need(pipe2(order, O_CLOEXEC), "pipe2");
	need(pipe2(done, O_CLOEXEC), "pipe2");
	if (need(fork(), "fork") == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(order[1]);
		serve(order[0], done[1]);
	}
	close(listener);
	close(order[0]);
	close(done[1]);
	hang_up_now = order[1];
	hung_up = done[0];
}

#endif
