/* Connections of a program to itself, and a peer that hangs up. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "program.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

static int listener = -1;
static struct sockaddr_in listener_address;

/* Listens on every address, so that 127.0.0.x can be varied: the same port of
 * another address has TIME_WAIT slots of its own. */
static inline void start_listener(void)
{
	socklen_t size = sizeof(listener_address);

	listener = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	need(listen(listener, 128), "listen");
	need(getsockname(listener, (struct sockaddr *)&listener_address, &size), "getsockname");
	listener_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

static inline const struct sockaddr *listener_at(void)
{
	return (const struct sockaddr *)&listener_address;
}

static inline int tcp_state(int fd)
{
	struct tcp_info info;
	socklen_t size = sizeof(info);

	need(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), "TCP_INFO");
	return info.tcpi_state;
}

/* poll sees the FIN an instant before the state changes. */
static inline void await_close_wait(int fd)
{
	struct pollfd hangup = {.fd = fd, .events = POLLRDHUP};

	need(poll(&hangup, 1, -1), "poll");
	while (tcp_state(fd) != TCP_CLOSE_WAIT)
		sched_yield();
}

/* The server's side of the connection fd: accepts it and closes it at once. */
static __attribute__((noinline, unused)) void hang_up_on(int fd)
{
	int accepted = (int)need(accept(listener, NULL, NULL), "accept");

	close(accepted);
	await_close_wait(fd);
}

/* For IPv4 and IPv6: the port is at the same place in both. */
static inline int local_port(int fd)
{
	struct sockaddr_in6 address;
	socklen_t size = sizeof(address);

	need(getsockname(fd, (struct sockaddr *)&address, &size), "getsockname");
	return ntohs(address.sin6_port);
}

#endif
