/*
 * crowd PROCESSES SOCKETS THREADS STACKS [exec]: a large service, or with `exec`
 * a whole node: that many processes, and in each of them that many connections
 * whose peer has closed and that many threads that wait. Each sort is created by
 * that many distinct stacks, as far as there are enough of it in one process.
 *
 * Protocol (program.h): `start` starts the processes, which are forks that share
 * an image, or with `exec` each has its own; `go` lets them create all of it. Both
 * print the truth.
 */
#include "loopback.h"

#include <signal.h>

/* Two to the power of LEVELS is how many distinct stacks there can be. Each
 * address has ports of its own, of which the kernel searches the more the more
 * are taken: so a worker connects to ADDRESSES of them in turn. */
enum { LEVELS = 14, ADDRESSES = 8 };

struct worker {
	int number;
	int sockets, threads, stacks;
	int done; /* gets one byte at the start, and one when all is created */
	int gate, hold; /* are at their ends at `go`, and when all may end */
	struct sockaddr_in peer;
};

static const struct worker *me;

/* What the workers wait for, and where they say that they are done. */
static int shut = -1, held = -1, done = -1;

static void *wait_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

SITE void leak_thread(void)
{
	pthread_attr_t small;
	pthread_t thread;

	need_zero(pthread_attr_init(&small), "pthread_attr_init");
	need_zero(pthread_attr_setstacksize(&small, 32 << 10), "stack size");
	need_zero(pthread_create(&thread, &small, wait_for_ever, NULL), "pthread_create");
	need_zero(pthread_attr_destroy(&small), "pthread_attr_destroy");
}

/* One after the other, so that no queue of the peer ever overflows. */
SITE void leak_socket(void)
{
	static unsigned int turn;
	struct sockaddr_in peer = me->peer;
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	char nothing;

	peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned int)me->number * ADDRESSES + turn++ % ADDRESSES);
	need(connect(fd, (const struct sockaddr *)&peer, sizeof(peer)), "connect");
	need(read(fd, &nothing, 1), "read EOF");
	await_close_wait(fd);
}

static void descend(int level, unsigned int path, void (*leak)(void));

SITE void left(int level, unsigned int path, void (*leak)(void))
{
	descend(level, path, leak);
	KEEP_FRAME();
}

SITE void right(int level, unsigned int path, void (*leak)(void))
{
	descend(level, path, leak);
	KEEP_FRAME();
}

/* Goes left or right on each level, as the bits of path say. */
static void descend(int level, unsigned int path, void (*leak)(void))
{
	if (!level)
		leak();
	else if (path & 1)
		right(level - 1, path >> 1, leak);
	else
		left(level - 1, path >> 1, leak);
	KEEP_FRAME();
}

static _Noreturn void work(const struct worker *worker)
{
	char byte;

	me = worker;
	need(write(worker->done, "", 1), "write");
	need(read(worker->gate, &byte, 1), "wait");
	for (int i = 0; i < worker->sockets; i++)
		descend(LEVELS, (unsigned int)(i % worker->stacks), leak_socket);
	for (int i = 0; i < worker->threads; i++)
		descend(LEVELS, (unsigned int)(i % worker->stacks), leak_thread);
	need(write(worker->done, "", 1), "write");
	need(read(worker->hold, &byte, 1), "wait");
	_exit(0);
}

/* What becomes of a worker that is an image of its own. */
static _Noreturn void work_as(const char *how)
{
	struct worker worker = {0};

	if (sscanf(how, "%d %d %d %d %d %d %d %hu", &worker.number, &worker.sockets, &worker.threads, &worker.stacks,
		   &worker.done, &worker.gate, &worker.hold, &worker.peer.sin_port) != 8)
		exit(2);
	worker.peer.sin_family = AF_INET;
	work(&worker);
}

static _Noreturn void become(const struct worker *worker)
{
	char how[128];

	snprintf(how, sizeof(how), "%d %d %d %d %d %d %d %hu", worker->number, worker->sockets, worker->threads,
		 worker->stacks, worker->done, worker->gate, worker->hold, worker->peer.sin_port);
	execl("/proc/self/exe", "crowd", "worker", how, NULL);
	die("execl");
}

static void await_workers(int processes)
{
	char byte;

	for (int i = 0; i < processes; i++) {
		if (need(read(done, &byte, 1), "read") != 1)
			exit(1); /* one of them has failed, and said why */
	}
}

static void start(struct worker *worker, int processes, bool exec)
{
	int from[2], gate[2], hold[2];

	need(pipe(from), "pipe");
	need(pipe(gate), "pipe");
	need(pipe(hold), "pipe");
	worker->done = from[1];
	worker->gate = gate[0];
	worker->hold = hold[0];
	worker->peer = listener_address;
	for (worker->number = 1; worker->number <= processes; worker->number++) {
		if (need(fork(), "fork"))
			continue;
		close(gate[1]);
		close(hold[1]);
		close(listener);
		if (exec)
			become(worker);
		work(worker);
	}
	done = from[0];
	shut = gate[1];
	held = hold[1];
	close(from[1]);
	await_workers(processes);
	printf("{\"alive\":%d}\n", processes);
}

static void go(const struct worker *worker, int processes)
{
	close(shut);
	for (int i = 0; i < processes * worker->sockets; i++)
		close((int)need(accept(listener, NULL, NULL), "accept"));
	await_workers(processes);
	printf("{\"alive\":%d,\"close_wait\":%d,\"threads\":%d}\n", processes, processes * worker->sockets,
	       processes * worker->threads);
}

int main(int argc, char **argv)
{
	struct worker worker = {0};
	struct command command;
	bool exec;

	if (argc == 3 && !strcmp(argv[1], "worker"))
		work_as(argv[2]);
	if (argc < 5)
		return 2;
	worker.sockets = atoi(argv[2]);
	worker.threads = atoi(argv[3]);
	worker.stacks = atoi(argv[4]);
	exec = argc > 5;
	start_listener();
	/* All of a node may connect at once. */
	need(listen(listener, 4096), "listen");
	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "start"))
			start(&worker, atoi(argv[1]), exec);
		else if (is_verb(&command, "go"))
			go(&worker, atoi(argv[1]));
		else
			unknown_verb(&command);
	}
	close(held);
	while (wait(NULL) > 0)
		;
	return 0;
}
