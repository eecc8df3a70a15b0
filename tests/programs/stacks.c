/*
 * stacks: creates threads from as many different stacks as asked for, all of
 * one site.
 *
 * Protocol in program.h. `churn N` creates and joins a thread from each of the
 * first N stacks, `keep N` leaves them alive. Prints, since the start:
 *   {"churned_threads":N,"threads":N,"thread_tids":[..]}
 * To blame: keep_thread. Not to blame: churn_thread.
 */
#include "program.h"

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

int main(void)
{
	struct command command;

	ready();
	while (next_command(&command)) {
		void (*create)(void) = is_verb(&command, "churn") ? churn_thread : keep_thread;

		if (create == keep_thread && !is_verb(&command, "keep"))
			unknown_verb(&command);
		for (long way = 0; way < command.count; way++)
			go_the_way(way, 16, create);
		printf("{\"churned_threads\":%d,\"threads\":%d,", churned, threads.count);
		print_ids("thread_tids", &threads), printf("}\n");
	}
	return 0;
}
