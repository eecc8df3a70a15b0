/*
 * leaky KIND...: leaks one thing of each KIND (zombie, thread, unjoined,
 * close-wait) per count of `go N`, and next to each does the same correctly.
 *
 * Protocol in program.h. Prints, counted since the start:
 *   {"zombies":N,"threads":N,"unjoined":N,"close_wait":N,
 *    "reaped":N,"ended":N,"joined":N,"closed":N,
 *    "zombie_pids":[..],"thread_tids":[..],"unjoined_tids":[..],"ports":[..]}
 * Every stack is main > serve_request > refresh_cache > one of
 *   to blame:     leak_child  leak_thread  leak_unjoined  leak_socket
 *   not to blame: reap_child  end_thread   join_thread    close_socket
 */
#include "loopback.h"

enum kind { ZOMBIE, THREAD, UNJOINED, CLOSE_WAIT, KINDS };
static const char *const kind_names[KINDS] = {"zombie", "thread", "unjoined", "close-wait"};

static struct ids zombies, threads, unjoined, sockets;
static int reaped, ended, joined, closed;

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static bool gate_open;

static void *never_ends(void *unused)
{
	announce();
	pthread_mutex_lock(&gate_lock);
	for (;;)
		pthread_cond_wait(&gate_changed, &gate_lock);
	return unused;
}

static void *ends_when_told(void *unused)
{
	announce();
	pthread_mutex_lock(&gate_lock);
	while (!gate_open)
		pthread_cond_wait(&gate_changed, &gate_lock);
	pthread_mutex_unlock(&gate_lock);
	return unused;
}

static void *ends_at_once(void *unused)
{
	announce();
	return unused;
}

static void set_gate(bool open)
{
	pthread_mutex_lock(&gate_lock);
	gate_open = open;
	pthread_cond_broadcast(&gate_changed);
	pthread_mutex_unlock(&gate_lock);
}

SITE void leak_child(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	await_exit(pid);
	note(&zombies, pid);
}

SITE void reap_child(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	reap(pid);
	reaped++;
}

SITE void leak_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, never_ends, NULL), "pthread_create");
	note(&threads, await_tid());
}

SITE void end_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_when_told, NULL), "pthread_create");
	pid_t tid = await_tid();
	set_gate(true);
	pthread_join(thread, NULL);
	set_gate(false);
	await_thread_gone(tid);
	ended++;
}

SITE void leak_unjoined(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	await_thread_gone(tid);
	note(&unjoined, tid);
}

SITE void join_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	pthread_join(thread, NULL);
	await_thread_gone(tid);
	joined++;
}

SITE void leak_socket(void)
{
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	note(&sockets, local_port(fd));
}

SITE void close_socket(void)
{
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	close(fd);
	closed++;
}

SITE void refresh_cache(enum kind kind)
{
	switch (kind) {
	case ZOMBIE: leak_child(); reap_child(); break;
	case THREAD: leak_thread(); end_thread(); break;
	case UNJOINED: leak_unjoined(); join_thread(); break;
	default: leak_socket(); close_socket(); break;
	}
	KEEP_FRAME();
}

SITE void serve_request(enum kind kind)
{
	refresh_cache(kind);
	KEEP_FRAME();
}

static void print_truth(void)
{
	printf("{\"zombies\":%d,\"threads\":%d,\"unjoined\":%d,\"close_wait\":%d,", zombies.count,
	       threads.count, unjoined.count, sockets.count);
	printf("\"reaped\":%d,\"ended\":%d,\"joined\":%d,\"closed\":%d,", reaped, ended, joined,
	       closed);
	print_ids("zombie_pids", &zombies), printf(",");
	print_ids("thread_tids", &threads), printf(",");
	print_ids("unjoined_tids", &unjoined), printf(",");
	print_ids("ports", &sockets), printf("}\n");
}

static enum kind kind_called(const char *name)
{
	for (int kind = 0; kind < KINDS; kind++)
		if (strcmp(name, kind_names[kind]) == 0)
			return (enum kind)kind;
	fprintf(stderr, "usage: leaky [zombie] [thread] [unjoined] [close-wait]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct command command;

	for (int i = 1; i < argc; i++)
		kind_called(argv[i]);
	start_listener();
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (int i = 1; i < argc; i++)
			for (long n = 0; n < command.count; n++)
				serve_request(kind_called(argv[i]));
		print_truth();
	}
	return 0;
}
