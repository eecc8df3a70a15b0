/*
 * keepalive WAY: an HTTP client with a pool of connections, whose server hangs
 * up in the end.
 *
 * Protocol in program.h. `go N` plays N rounds of the way, of which each but
 * returned ends with one connection that nobody closes. Then the server, a
 * process of its own, hangs up on all, and the client closes those in its pool.
 * Prints, since the start:
 *   {"way":"..","close_wait":N,"ports":[..]}
 * with the local ports of the connections in CLOSE_WAIT.
 *
 *   way        connected by  then used by                  to blame
 *   on-demand  borrow_ok     borrow_leak, which keeps it   borrow_leak
 *   filled     pool_fill     borrow_ok and borrow_leak     borrow_leak
 *   busy       pool_fill     borrow_ok, often, and at once by borrow_leak
 *                                                          borrow_leak
 *   workers    pool_fill     the same as filled, in a thread
 *                                                          borrow_leak
 *   neglected  pool_fill     borrow_too and borrow_ok, which return it to a pool
 *                            that nobody looks after       borrow_ok
 *   own        borrow_leak   nobody else                   http_connect
 *   unused     pool_fill     nobody                        http_connect
 *   returned   borrow_ok     borrow_ok                     nobody
 *
 * Requests go main > play or work > borrow_* > http_get > http_write, http_read.
 */
#include "server.h"

enum { POOL_SIZE = 4096, USES = 500 };

static int pool[POOL_SIZE];
static int pooled;
static struct ids kept, ports;

/* -- the library ---------------------------------------------------------------- */

SITE int http_connect(void)
{
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	return fd;
}

SITE void http_write(int fd)
{
	need(send(fd, request_text, sizeof(request_text) - 1, MSG_NOSIGNAL), "send");
}

SITE void http_read(int fd)
{
	char response[256];

	if (recv(fd, response, sizeof(response), 0) != (ssize_t)sizeof(response_text) - 1)
		die("recv");
}

SITE void http_get(int fd)
{
	http_write(fd);
	http_read(fd);
	KEEP_FRAME();
}

/* The last one in is the first one out, as in most pools. */
SITE int pool_take(void)
{
	int fd = pooled ? pool[--pooled] : http_connect();

	KEEP_FRAME();
	return fd;
}

static void pool_return(int fd)
{
	if (pooled == POOL_SIZE)
		errno = EMFILE, die("pool");
	pool[pooled++] = fd;
}

SITE void pool_fill(void)
{
	pool_return(http_connect());
	KEEP_FRAME();
}

/* -- the application -------------------------------------------------------------- */

SITE void borrow_ok(void)
{
	int fd = pool_take();

	http_get(fd);
	pool_return(fd);
}

SITE void borrow_too(void)
{
	int fd = pool_take();

	http_get(fd);
	pool_return(fd);
}

/* The bug: an early return, and the connection is not in the pool any more. */
SITE void borrow_leak(void)
{
	int fd = pool_take();

	http_get(fd);
	note(&kept, fd);
}

static void on_demand(void)
{
	borrow_ok();
	borrow_leak();
}

static void busy(void)
{
	for (int use = 0; use < USES; use++)
		borrow_ok();
	borrow_leak();
}

static void *work(void *unused)
{
	borrow_ok();
	borrow_leak();
	KEEP_FRAME();
	return unused;
}

static void workers(void)
{
	pthread_t worker;

	need_zero(pthread_create(&worker, NULL, work, NULL), "pthread_create");
	need_zero(pthread_join(worker, NULL), "pthread_join");
}

static void unused(void)
{
	note(&kept, pool_take());
}

static void neglected(void)
{
	borrow_too();
	borrow_ok();
	note(&kept, pool[--pooled]);
}

static const struct {
	const char *name;
	bool filled;
	void (*act)(void);
} ways[] = {
	{"on-demand", false, on_demand},
	{"filled", true, on_demand},
	{"busy", true, busy},
	{"workers", true, workers},
	{"neglected", true, neglected},
	{"own", false, borrow_leak},
	{"unused", true, unused},
	{"returned", false, borrow_ok},
};

static int find_way(const char *name)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++)
		if (name && strcmp(ways[way].name, name) == 0)
			return way;
	fprintf(stderr, "usage: keepalive WAY\n");
	exit(2);
}

SITE void play(int way)
{
	ways[way].act();
	KEEP_FRAME();
}

/* Everything is answered, so the server has nothing unread when it closes: it
 * sends FIN and no RST. */
static void await_hang_up(void)
{
	char byte;

	need(write(hang_up_now, "!", 1), "write");
	if (read(hung_up, &byte, 1) != 1)
		die("server");
	for (int i = 0; i < kept.count; i++) {
		await_close_wait((int)kept.id[i]);
		note(&ports, local_port((int)kept.id[i]));
	}
	kept.count = 0;
	while (pooled)
		close(pool[--pooled]);
}

static void print_truth(const char *way)
{
	printf("{\"way\":\"%s\",\"close_wait\":%d,", way, ports.count);
	print_ids("ports", &ports), printf("}\n");
}

int main(int argc, char **argv)
{
	int way = find_way(argc == 2 ? argv[1] : NULL);
	struct command command;

	start_listener();
	start_server();
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (long n = 0; ways[way].filled && n < command.count; n++)
			pool_fill();
		for (long n = 0; n < command.count; n++)
			play(way);
		await_hang_up();
		print_truth(ways[way].name);
	}
	return 0;
}
