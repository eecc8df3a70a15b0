/*
 * stacks: creates threads from as many different stacks as asked for, all of
 * one site, or reads from sockets.
 *
 * Protocol in program.h. `churn N` creates and joins a thread from each of the
 * first N stacks, `keep N` leaves them alive; `use N` reads from a connection in
 * each of them. Prints, since the start:
 *   {"churned_threads":N,"threads":N,"thread_tids":[..]}
 * To blame: keep_thread. Not to blame: churn_thread.
 */
#include "loopback.h"

static struct ids threads;
static int churned;

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

SITE void churn_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	pthread_join(thread, NULL);
	await_thread_gone(tid);
	churned++;
}

SITE void keep_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, never_ends, NULL), "pthread_create");
	note(&threads, await_tid());
}

static int connected = -1;

SITE void read_reply(void)
{
	char reply;

	need(recv(connected, &reply, 1, 0), "recv");
	KEEP_FRAME();
}

/* The way is a number: each bit of it is one of two calls. Without something
 * that differs after them a compiler makes them one. */
SITE void go_the_way(long way, int steps, void (*create)(void))
{
	if (steps == 0) {
		create();
		KEEP_FRAME();
	} else if (way & 1) {
		go_the_way(way >> 1, steps - 1, create);
		__asm__ volatile("/* right */" ::: "memory");
	} else {
		go_the_way(way >> 1, steps - 1, create);
		__asm__ volatile("/* left */" ::: "memory");
	}
}

/* A connection of its own for each: of one, few reads are looked at. */
static void use_connection(long way, void (*read)(void))
{
	int accepted;

	connected = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	need(connect(connected, listener_at(), sizeof(listener_address)), "connect");
	accepted = (int)need(accept(listener, NULL, NULL), "accept");
	need(send(accepted, "r", 1, MSG_NOSIGNAL), "send");
	go_the_way(way, 16, read);
	close(connected);
	close(accepted);
}

int main(void)
{
	struct command command;

	start_listener();
	ready();
	while (next_command(&command)) {
		for (long way = 0; way < command.count; way++) {
			if (is_verb(&command, "churn"))
				go_the_way(way, 16, churn_thread);
			else if (is_verb(&command, "keep"))
				go_the_way(way, 16, keep_thread);
			else if (is_verb(&command, "use"))
				use_connection(way, read_reply);
			else
				unknown_verb(&command);
		}
		printf("{\"churned_threads\":%d,\"threads\":%d,", churned, threads.count);
		print_ids("thread_tids", &threads), printf("}\n");
	}
	return 0;
}
