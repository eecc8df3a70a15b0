/*
 * sockets WAY [N]: leaves TCP connections whose peer has hung up, or does not.
 *
 * Protocol in program.h. `go N` does it N times; the way before-ready does it
 * as often as its argument says before it prints `ready`, and `go` only tells.
 * Prints, since the start:
 *   {"way":"..","close_wait":N,"sockets":[{"local":"127.0.0.1:1","remote":
 *    "127.0.0.1:2","unread":N,"eof_read":bool,"holder":PID},..]}
 * with every socket that is in CLOSE_WAIT; IPv6 as [::1]:1. The peer is this
 * program too, and always behaves well.
 *
 * The table at the end has the ways and functions: those called leak_* are to
 * blame, as caller of connect or, for accepted-*, of the first read.
 */
#include "loopback.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

struct leak {
	char local[80], remote[80];
	int unread;
	bool eof_read;
	pid_t holder;
};

enum { MAX_SOCKETS = 5000, MESSAGE = 16 };
static struct leak leaks[MAX_SOCKETS];
static int leak_count;
static int listener6;
static struct sockaddr_in6 listener6_address;

static void start_listener6(void)
{
	socklen_t size = sizeof(listener6_address);

	listener6_address = (struct sockaddr_in6){.sin6_family = AF_INET6,
						  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	listener6 = (int)need(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	need(bind(listener6, (struct sockaddr *)&listener6_address, size), "bind");
	need(listen(listener6, 128), "listen");
	need(getsockname(listener6, (struct sockaddr *)&listener6_address, &size), "getsockname");
}

static void name_address(char *name, size_t room, const struct sockaddr_storage *address)
{
	char host[64], port[8];

	need_zero(getnameinfo((const struct sockaddr *)address, sizeof(*address), host,
			      sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV),
		  "getnameinfo");
	snprintf(name, room, address->ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static struct leak *note_leak(int fd)
{
	struct leak *leak = &leaks[leak_count];
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);

	if (leak_count == MAX_SOCKETS)
		errno = EMFILE, die("leaks");
	leak_count++;
	need(getsockname(fd, (struct sockaddr *)&address, &size), "getsockname");
	name_address(leak->local, sizeof(leak->local), &address);
	size = sizeof(address);
	need(getpeername(fd, (struct sockaddr *)&address, &size), "getpeername");
	name_address(leak->remote, sizeof(leak->remote), &address);
	need(ioctl(fd, FIONREAD, &leak->unread), "FIONREAD");
	leak->holder = getpid();
	return leak;
}

static int new_socket(int family)
{
	return (int)need(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

/* -- the side that connects ------------------------------------------------- */

SITE void leak_v4(void)
{
	int fd = new_socket(AF_INET);

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	note_leak(fd);
}

SITE void leak_before_ready(void)
{
	int fd = new_socket(AF_INET);

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	note_leak(fd);
}

SITE void leak_v6(void)
{
	int fd = new_socket(AF_INET6);

	need(connect(fd, (struct sockaddr *)&listener6_address, sizeof(listener6_address)),
	     "connect");
	close((int)need(accept(listener6, NULL, NULL), "accept"));
	await_close_wait(fd);
	note_leak(fd);
}

SITE void leak_v4_mapped(void)
{
	struct sockaddr_in6 mapped = {.sin6_family = AF_INET6,
				      .sin6_port = listener_address.sin_port};
	int fd = new_socket(AF_INET6);

	need(inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr), "inet_pton");
	need(connect(fd, (struct sockaddr *)&mapped, sizeof(mapped)), "connect");
	hang_up_on(fd);
	note_leak(fd);
}

SITE void leak_nonblocking(void)
{
	int fd = new_socket(AF_INET);
	struct pollfd connected = {.fd = fd, .events = POLLOUT};

	need(fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
	if (connect(fd, listener_at(), sizeof(listener_address)) < 0 && errno != EINPROGRESS)
		die("connect");
	need(poll(&connected, 1, -1), "poll");
	hang_up_on(fd);
	note_leak(fd);
}

static void say_and_hang_up(int fd)
{
	const char message[MESSAGE] = "a short message";
	int accepted = (int)need(accept(listener, NULL, NULL), "accept");

	need(send(accepted, message, sizeof(message), 0), "send");
	close(accepted);
	await_close_wait(fd);
}

static void read_exactly(int fd, size_t want)
{
	char buffer[MESSAGE];

	if (recv(fd, buffer, want ? want : 1, 0) != (ssize_t)want)
		die("recv");
}

SITE void leak_unread(void)
{
	int fd = new_socket(AF_INET);

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	say_and_hang_up(fd);
	note_leak(fd);
}

SITE void leak_after_eof(void)
{
	int fd = new_socket(AF_INET);

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	say_and_hang_up(fd);
	read_exactly(fd, MESSAGE);
	read_exactly(fd, 0);
	note_leak(fd)->eof_read = true;
}

/* The peer only says that it is done, and waits for our close: for ever. */
SITE void leak_half_closed(void)
{
	int fd = new_socket(AF_INET);

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	shutdown((int)need(accept(listener, NULL, NULL), "accept"), SHUT_WR);
	await_close_wait(fd);
	note_leak(fd);
}

/* The peer has said all it has to say, and still listens: one connection, and
 * each time it gets more of the answer. */
SITE void stream_answer(void)
{
	static int fd = -1, peer = -1;
	char byte = '!';

	if (fd < 0) {
		fd = new_socket(AF_INET);
		need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
		peer = (int)need(accept(listener, NULL, NULL), "accept");
		need(shutdown(peer, SHUT_WR), "shutdown");
		await_close_wait(fd);
		note_leak(fd);
	}
	need(send(fd, &byte, 1, MSG_NOSIGNAL), "send");
	need(recv(peer, &byte, 1, 0), "recv");
}

/* We close our descriptor as we should; the child we forked before keeps its. */
SITE void leak_inherited(void)
{
	int fd = new_socket(AF_INET);

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	pid_t child = (pid_t)need(fork(), "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	hang_up_on(fd);
	note_leak(fd)->holder = child;
	close(fd);
}

/* Keeps the descriptor, but there never was a connection. */
SITE void keep_refused(void)
{
	struct sockaddr_in nobody = {.sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(nobody);
	int bound = new_socket(AF_INET), fd = new_socket(AF_INET);

	need(bind(bound, (struct sockaddr *)&nobody, size), "bind");
	need(getsockname(bound, (struct sockaddr *)&nobody, &size), "getsockname");
	if (connect(fd, (struct sockaddr *)&nobody, size) != -1 || errno != ECONNREFUSED)
		die("connect to nobody");
	close(bound);
}

SITE void close_properly(void)
{
	int fd = new_socket(AF_INET);

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	say_and_hang_up(fd);
	read_exactly(fd, MESSAGE);
	read_exactly(fd, 0);
	close(fd);
}

/* -- the side that accepts --------------------------------------------------- */

/* A client that has said something, and its accepted side. */
static int accept_client(int *client)
{
	const char message[MESSAGE] = "a short message";

	*client = new_socket(AF_INET);
	need(connect(*client, listener_at(), sizeof(listener_address)), "connect");
	need(send(*client, message, sizeof(message), 0), "send");
	return (int)need(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
}

/* The same, and the client has hung up before anything is read. */
static int accept_visit(void)
{
	int client, accepted = accept_client(&client);

	close(client);
	await_close_wait(accepted);
	return accepted;
}

/* The usual order: the request is read while the peer is still there. */
SITE void leak_accepted(void)
{
	int client, fd = accept_client(&client);

	read_exactly(fd, MESSAGE);
	close(client);
	await_close_wait(fd);
	note_leak(fd);
}

/* The FIN arrived behind unread data and was merged into the same buffer, so
 * reading all of the data consumes it (ss shows Recv-Q 0), although no recv
 * has returned 0: the application knows of no EOF. */
SITE void leak_accepted_merged_fin(void)
{
	int fd = accept_visit();

	read_exactly(fd, MESSAGE);
	note_leak(fd);
}

SITE void leak_accepted_after_eof(void)
{
	int fd = accept_visit();

	read_exactly(fd, MESSAGE);
	read_exactly(fd, 0);
	note_leak(fd)->eof_read = true;
}

SITE void leak_accepted_unread(void)
{
	int fd = accept_visit();

	read_exactly(fd, 4);
	note_leak(fd);
}

SITE void leak_accepted_untouched(void)
{
	note_leak(accept_visit());
}

SITE void close_accepted(void)
{
	int fd = accept_visit();

	read_exactly(fd, MESSAGE);
	read_exactly(fd, 0);
	close(fd);
}

static const struct {
	const char *name;
	void (*act)(void);
} ways[] = {
	{"connect-v4", leak_v4},
	{"connect-v6", leak_v6},
	{"connect-v4-mapped", leak_v4_mapped},
	{"connect-nonblocking", leak_nonblocking},
	{"connect-unread", leak_unread},
	{"connect-eof-read", leak_after_eof},
	{"peer-shutdown", leak_half_closed},
	{"streaming", stream_answer},
	{"inherited", leak_inherited},
	{"before-ready", leak_before_ready},
	{"refused", keep_refused},
	{"closed", close_properly},
	{"accepted", leak_accepted},
	{"accepted-merged-fin", leak_accepted_merged_fin},
	{"accepted-eof-read", leak_accepted_after_eof},
	{"accepted-unread", leak_accepted_unread},
	{"accepted-untouched", leak_accepted_untouched},
	{"accepted-closed", close_accepted},
};

static int find_way(const char *name)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++)
		if (name && strcmp(ways[way].name, name) == 0)
			return way;
	fprintf(stderr, "usage: sockets WAY [N]\n");
	exit(2);
}

static void print_truth(const char *way)
{
	printf("{\"way\":\"%s\",\"close_wait\":%d,\"sockets\":[", way, leak_count);
	for (int i = 0; i < leak_count; i++)
		printf("%s{\"local\":\"%s\",\"remote\":\"%s\",\"unread\":%d,\"eof_read\":%s,"
		       "\"holder\":%d}", i ? "," : "", leaks[i].local, leaks[i].remote,
		       leaks[i].unread, leaks[i].eof_read ? "true" : "false", leaks[i].holder);
	printf("]}\n");
}

int main(int argc, char **argv)
{
	int way = find_way(argc > 1 ? argv[1] : NULL);
	bool before = ways[way].act == leak_before_ready;
	struct command command;

	start_listener();
	start_listener6();
	for (long n = 0; before && n < (argc > 2 ? atol(argv[2]) : 1); n++)
		leak_before_ready();
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (long n = 0; !before && n < command.count; n++)
			ways[way].act();
		print_truth(ways[way].name);
	}
	return 0;
}
