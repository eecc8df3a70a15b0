/*
 * churn THREADS CHILDREN CONNECTIONS LEAKS: creates and releases that many of
 * each, with LEAKS leaks of every kind spread evenly between them.
 *
 * Protocol in program.h. `go` runs all of it once. For N seconds `soak N`
 * creates and releases as many in each, some every 10 ms, and leaks one of every
 * kind every 10 seconds: fewer where the machine is too slow. `brood N` starts 20
 * processes a second, which create and release one of each, and reaps them; their
 * numbers count as its own. Prints, since the start:
 *   {"churned_threads":N,"churned_children":N,"churned_connections":N,
 *    "zombies":N,"threads":N,"unjoined":N,"close_wait":N,
 *    "zombie_pids":[..],"thread_tids":[..],"unjoined_tids":[..],"ports":[..]}
 * To blame: leak_child leak_thread leak_unjoined leak_socket. Not to blame:
 * churn_child churn_thread churn_connection.
 */
#include <spawn.h>
#include <time.h>

#include "loopback.h"

static struct ids zombies, threads, unjoined, sockets;
static int churned_threads, churned_children, churned_connections;

static void *ends_at_once(void *unused)
{
	announce();
	return unused;
}

static void *never_ends(void *unused)
{
	announce();
	for (;;)
		pause();
	return unused;
}

SITE void leak_child(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	await_exit(pid);
	note(&zombies, pid);
}

SITE void leak_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, never_ends, NULL), "pthread_create");
	note(&threads, await_tid());
}

SITE void leak_unjoined(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	await_thread_gone(tid);
	note(&unjoined, tid);
}

SITE void leak_socket(void)
{
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	note(&sockets, local_port(fd));
}

/* Every second thread is detached instead of joined. */
SITE void churn_thread(int turn)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	if (turn % 2)
		pthread_detach(thread);
	else
		pthread_join(thread, NULL);
	await_thread_gone(tid);
	churned_threads++;
}

static int exits_at_once(void *unused)
{
	(void)unused;
	_exit(0);
}

/* Nine children of ten share the memory, as those of posix_spawn and vfork do. They cost
 * less: the soak's 2,000 a second fit on two processors that are not idle otherwise. */
SITE void churn_child(int turn)
{
	static char stack[4096] __attribute__((aligned(16)));
	const int shared = CLONE_VM | CLONE_VFORK | SIGCHLD;
	pid_t pid;

	if (turn % 10)
		pid = clone(exits_at_once, stack + sizeof(stack), shared, NULL);
	else
		pid = fork();
	if (need(pid, "clone") == 0)
		_exit(0);
	reap(pid);
	churned_children++;
}

/* Three ways to close in turn: the client first, the client with a reset, the
 * server first (so that the client passes through CLOSE_WAIT). Each turn goes
 * to another address, so that TIME_WAIT never uses up the ports of one. */
SITE void churn_connection(int turn)
{
	struct sockaddr_in server = listener_address;
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int client = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(turn % 200));
	need(connect(client, (struct sockaddr *)&server, sizeof(server)), "connect");
	if (turn % 3 == 2) {
		hang_up_on(client);
		close(client);
	} else {
		int accepted = (int)need(accept(listener, NULL, NULL), "accept");

		if (turn % 3 == 1)
			setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(client);
		close(accepted);
	}
	churned_connections++;
}

/* True in `leaks` of `turns` turns, evenly spread. */
static bool is_leaky_turn(long turn, long turns, long leaks)
{
	return (turn + 1) * leaks / turns != turn * leaks / turns;
}

SITE void churn_everything(const long turns[3], long leaks)
{
	for (int turn = 0; turn < turns[0]; turn++) {
		churn_thread(turn);
		if (is_leaky_turn(turn, turns[0], leaks)) {
			leak_thread();
			leak_unjoined();
		}
	}
	for (int turn = 0; turn < turns[1]; turn++) {
		churn_child(turn);
		if (is_leaky_turn(turn, turns[1], leaks))
			leak_child();
	}
	for (int turn = 0; turn < turns[2]; turn++) {
		churn_connection(turn);
		if (is_leaky_turn(turn, turns[2], leaks))
			leak_socket();
	}
}

static void leak_everything(void)
{
	leak_thread();
	leak_unjoined();
	leak_child();
	leak_socket();
}

/* One of `ticks` parts of a second's turns. */
static long part(long turns, long tick, long ticks)
{
	return turns * (tick + 1) / ticks - turns * tick / ticks;
}

/* Waits for the next beat of a clock; one that is late has none to wait for. It
 * is false when the clock has reached the end. */
static bool await_beat(struct timespec *beat, long ns, time_t end)
{
	struct timespec now;

	beat->tv_nsec += ns;
	beat->tv_sec += beat->tv_nsec / 1000000000;
	beat->tv_nsec %= 1000000000;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, beat, NULL) == EINTR)
		;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec < end;
}

SITE void soak(const long turns[3], long seconds)
{
	struct timespec beat;
	long tick = 0;

	clock_gettime(CLOCK_MONOTONIC, &beat);
	for (time_t end = beat.tv_sec + seconds; await_beat(&beat, 10000000, end); tick++) {
		for (long i = part(turns[0], tick % 100, 100); i > 0; i--)
			churn_thread((int)i);
		for (long i = part(turns[1], tick % 100, 100); i > 0; i--)
			churn_child((int)i);
		for (long i = part(turns[2], tick % 100, 100); i > 0; i--)
			churn_connection(churned_connections);
		if (tick % 1000 == 500)
			leak_everything();
	}
}

/* posix_spawn shares memory until exec, where fork would copy it. */
SITE void start_one(void)
{
	char *const args[] = {"churn", "1", "1", "1", "0", "once", NULL};
	pid_t pid;
	int status;

	need_zero(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ), "posix_spawn");
	need(waitpid(pid, &status, 0), "waitpid");
	if (status != 0) {
		fprintf(stderr, "a process ended with status %d\n", status);
		exit(1);
	}
	churned_threads++, churned_children++, churned_connections++;
}

static void brood(long seconds)
{
	struct timespec beat;

	clock_gettime(CLOCK_MONOTONIC, &beat);
	for (time_t end = beat.tv_sec + seconds; await_beat(&beat, 50000000, end);)
		start_one();
}

static void print_truth(void)
{
	printf("{\"churned_threads\":%d,\"churned_children\":%d,\"churned_connections\":%d,",
	       churned_threads, churned_children, churned_connections);
	printf("\"zombies\":%d,\"threads\":%d,\"unjoined\":%d,\"close_wait\":%d,", zombies.count,
	       threads.count, unjoined.count, sockets.count);
	print_ids("zombie_pids", &zombies), printf(",");
	print_ids("thread_tids", &threads), printf(",");
	print_ids("unjoined_tids", &unjoined), printf(",");
	print_ids("ports", &sockets), printf("}\n");
}

int main(int argc, char **argv)
{
	struct command command;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "usage: churn THREADS CHILDREN CONNECTIONS LEAKS [once]\n");
		return 2;
	}
	const long turns[3] = {atol(argv[1]), atol(argv[2]), atol(argv[3])};
	long leaks = atol(argv[4]);

	/* More leaks than turns would not fit: one a turn at most. */
	for (int i = 0; i < 3; i++)
		if (turns[i] > 0 && turns[i] < leaks)
			errno = EINVAL, die("more LEAKS than turns");
	start_listener();
	if (argc == 6) {
		churn_everything(turns, leaks);
		return 0;
	}
	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "go"))
			churn_everything(turns, leaks);
		else if (is_verb(&command, "soak"))
			soak(turns, command.count);
		else if (is_verb(&command, "brood"))
			brood(command.count);
		else
			unknown_verb(&command);
		print_truth();
	}
	return 0;
}
