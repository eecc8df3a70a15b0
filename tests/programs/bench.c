/*
 * bench thread|fork|tcp|recv N: N operations in a tight loop, made from a call
 * depth of about 20 as in a real program.
 *
 *   thread  pthread_create, join
 *   fork    fork, _exit, waitpid
 *   tcp     loopback connect, accept, 16 bytes, close
 *   recv    16 bytes sent and received on one living connection
 *
 * Protocol in program.h; `go` may be repeated, to pair traced and untraced
 * runs, and `go M` makes M operations instead of N. Prints of the last run:
 *   {"op":"..","n":N,"ns_per_op":x.x}
 */
#include "loopback.h"

#include <time.h>

enum { DEPTH = 20, MESSAGE = 16 };

static char message[MESSAGE];
static int living_client, living_server;

static void *ends_at_once(void *unused)
{
	return unused;
}

SITE void create_and_join(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pthread_join(thread, NULL);
}

SITE void fork_and_wait(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void pass_message(int from, int to)
{
	char received[MESSAGE];

	need(send(from, message, MESSAGE, 0), "send");
	need(recv(to, received, MESSAGE, MSG_WAITALL), "recv");
}

/* The server hangs up and the client resets: no TIME_WAIT, so that the last
 * connection costs what the first one did. */
SITE void connect_and_close(void)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int client = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(client, listener_at(), sizeof(listener_address)), "connect");
	int accepted = (int)need(accept(listener, NULL, NULL), "accept");
	pass_message(client, accepted);
	close(accepted);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(client);
}

SITE void send_and_receive(void)
{
	pass_message(living_client, living_server);
}

static const struct {
	const char *name;
	void (*run)(void);
} ops[] = {
	{"thread", create_and_join},
	{"fork", fork_and_wait},
	{"tcp", connect_and_close},
	{"recv", send_and_receive},
};

static double now_ns(void)
{
	struct timespec time;

	need(clock_gettime(CLOCK_MONOTONIC, &time), "clock_gettime");
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

SITE void repeat(int depth, void (*run)(void), long count)
{
	if (depth > 1)
		repeat(depth - 1, run, count);
	else
		for (long n = 0; n < count; n++)
			run();
	KEEP_FRAME();
}

static int find_op(const char *name)
{
	for (int op = 0; op < (int)(sizeof(ops) / sizeof(ops[0])); op++)
		if (name && strcmp(ops[op].name, name) == 0)
			return op;
	fprintf(stderr, "usage: bench thread|fork|tcp|recv N\n");
	exit(2);
}

static void open_living_connection(void)
{
	living_client = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	need(connect(living_client, listener_at(), sizeof(listener_address)), "connect");
	living_server = (int)need(accept(listener, NULL, NULL), "accept");
}

int main(int argc, char **argv)
{
	int op = find_op(argc == 3 ? argv[1] : NULL);
	long operations = atol(argv[2]);
	char line[64], verb[16];

	start_listener();
	open_living_connection();
	ready();
	while (fgets(line, sizeof(line), stdin)) {
		long count = operations;

		if (sscanf(line, "%15s %ld", verb, &count) < 1 || strcmp(verb, "go") || count < 1) {
			fprintf(stderr, "not a command: %s", line);
			return 2;
		}
		double start = now_ns();
		repeat(DEPTH - 2, ops[op].run, count); /* main and run make it DEPTH */
		printf("{\"op\":\"%s\",\"n\":%ld,\"ns_per_op\":%.1f}\n", ops[op].name, count,
		       (now_ns() - start) / (double)count);
	}
	return 0;
}
