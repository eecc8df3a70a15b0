/*
 * joins WAY: ends threads in one of the ways there are to be joined, or not.
 *
 * Protocol in program.h. `go N` does it N times and returns only when the
 * kernel has released every one of these threads. Prints, since the start:
 *   {"way":"..","finished":N,"unjoined":M,"tids":[..]}   (tids: the unjoined)
 * For unjoined-then-joined a second command, `join`, joins them all.
 *
 * The table at the end has the ways and the functions that create the threads:
 * leak_* are to blame, by_* are not.
 */
#include "program.h"

#include <sys/mman.h>
#include <threads.h>
#include <time.h>

enum { STACK_SIZE = 256 * 1024 };

static struct ids unjoined;
static pthread_t unjoined_threads[20000];
static int finished;

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void *ends_at_once(void *unused)
{
	announce();
	return unused;
}

static int ends_at_once_c11(void *unused)
{
	(void)unused;
	announce();
	return 0;
}

/* Runs on until the creator, who holds the gate, opens it. */
static void *ends_at_gate(void *unused)
{
	announce();
	pthread_mutex_lock(&gate);
	pthread_mutex_unlock(&gate);
	return unused;
}

static void *ends_by_pthread_exit(void *unused)
{
	announce();
	pthread_exit(unused);
}

static void *waits_to_be_cancelled(void *unused)
{
	announce();
	for (;;)
		pause();
	return unused;
}

static void finish(pid_t tid)
{
	await_thread_gone(tid);
	finished++;
}

static void finish_unjoined(pthread_t thread, pid_t tid)
{
	finish(tid);
	unjoined_threads[unjoined.count] = thread;
	note(&unjoined, tid);
}

SITE void by_join(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	need_zero(pthread_join(thread, NULL), "pthread_join");
	finish(tid);
}

/* Also tries while it cannot succeed: a failed attempt is no join. */
SITE void by_tryjoin(void)
{
	pthread_t thread;

	pthread_mutex_lock(&gate);
	need_zero(pthread_create(&thread, NULL, ends_at_gate, NULL), "pthread_create");
	pid_t tid = await_tid();
	if (pthread_tryjoin_np(thread, NULL) != EBUSY)
		die("tryjoin of a living thread");
	pthread_mutex_unlock(&gate);
	finish(tid);
	need_zero(pthread_tryjoin_np(thread, NULL), "pthread_tryjoin_np");
}

static struct timespec in_a_minute(clockid_t clock)
{
	struct timespec time;

	need(clock_gettime(clock, &time), "clock_gettime");
	time.tv_sec += 60;
	return time;
}

SITE void by_timedjoin(void)
{
	const struct timespec past = {0}, deadline = in_a_minute(CLOCK_REALTIME);
	pthread_t thread;

	pthread_mutex_lock(&gate);
	need_zero(pthread_create(&thread, NULL, ends_at_gate, NULL), "pthread_create");
	pid_t tid = await_tid();
	if (pthread_timedjoin_np(thread, NULL, &past) != ETIMEDOUT)
		die("timedjoin of a living thread");
	pthread_mutex_unlock(&gate);
	need_zero(pthread_timedjoin_np(thread, NULL, &deadline), "pthread_timedjoin_np");
	finish(tid);
}

SITE void by_clockjoin(void)
{
	const struct timespec deadline = in_a_minute(CLOCK_MONOTONIC);
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	need_zero(pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &deadline), "clockjoin");
	finish(tid);
}

SITE void by_thrd_join(void)
{
	thrd_t thread;

	need_zero(thrd_create(&thread, ends_at_once_c11, NULL) != thrd_success, "thrd_create");
	pid_t tid = await_tid();
	need_zero(thrd_join(thread, NULL) != thrd_success, "thrd_join");
	finish(tid);
}

SITE void by_detached(void)
{
	pthread_attr_t detached;
	pthread_t thread;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	need_zero(pthread_create(&thread, &detached, ends_at_once, NULL), "pthread_create");
	finish(await_tid());
}

SITE void by_detach_after_exit(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	finish(await_tid());
	need_zero(pthread_detach(thread), "pthread_detach");
}

SITE void by_detach_before_exit(void)
{
	pthread_t thread;

	pthread_mutex_lock(&gate);
	need_zero(pthread_create(&thread, NULL, ends_at_gate, NULL), "pthread_create");
	pid_t tid = await_tid();
	need_zero(pthread_detach(thread), "pthread_detach");
	pthread_mutex_unlock(&gate);
	finish(tid);
}

SITE void by_pthread_exit(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_by_pthread_exit, NULL), "pthread_create");
	pid_t tid = await_tid();
	need_zero(pthread_join(thread, NULL), "pthread_join");
	finish(tid);
}

SITE void leak_pthread_exit(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_by_pthread_exit, NULL), "pthread_create");
	finish_unjoined(thread, await_tid());
}

SITE void leak_unjoined(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	finish_unjoined(thread, await_tid());
}

SITE void by_cancel_and_join(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, waits_to_be_cancelled, NULL), "pthread_create");
	pid_t tid = await_tid();
	need_zero(pthread_cancel(thread), "pthread_cancel");
	need_zero(pthread_join(thread, NULL), "pthread_join");
	finish(tid);
}

SITE void leak_cancelled(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, waits_to_be_cancelled, NULL), "pthread_create");
	pid_t tid = await_tid();
	need_zero(pthread_cancel(thread), "pthread_cancel");
	finish_unjoined(thread, tid);
}

static void *map_stack(pthread_attr_t *attr)
{
	void *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		die("mmap");
	pthread_attr_init(attr);
	need_zero(pthread_attr_setstack(attr, stack, STACK_SIZE), "pthread_attr_setstack");
	return stack;
}

SITE void by_user_stack(void)
{
	pthread_attr_t attr;
	void *stack = map_stack(&attr);
	pthread_t thread;

	need_zero(pthread_create(&thread, &attr, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	need_zero(pthread_join(thread, NULL), "pthread_join");
	finish(tid);
	munmap(stack, STACK_SIZE);
}

SITE void leak_user_stack(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	map_stack(&attr);
	need_zero(pthread_create(&thread, &attr, ends_at_once, NULL), "pthread_create");
	finish_unjoined(thread, await_tid());
}

static void join_late(void)
{
	while (unjoined.count > 0)
		need_zero(pthread_join(unjoined_threads[--unjoined.count], NULL), "pthread_join");
}

static const struct {
	const char *name;
	void (*create)(void);
} ways[] = {
	{"join", by_join},
	{"tryjoin", by_tryjoin},
	{"timedjoin", by_timedjoin},
	{"clockjoin", by_clockjoin},
	{"thrd_join", by_thrd_join},
	{"detached", by_detached},
	{"detach-after-exit", by_detach_after_exit},
	{"detach-before-exit", by_detach_before_exit},
	{"pthread_exit", by_pthread_exit},
	{"cancelled", by_cancel_and_join},
	{"user-stack-joined", by_user_stack},
	{"unjoined", leak_unjoined},
	{"unjoined-pthread_exit", leak_pthread_exit},
	{"unjoined-cancelled", leak_cancelled},
	{"user-stack", leak_user_stack},
	{"unjoined-then-joined", leak_unjoined},
};

static int find_way(const char *name)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++)
		if (name && strcmp(ways[way].name, name) == 0)
			return way;
	fprintf(stderr, "usage: joins WAY\n");
	exit(2);
}

int main(int argc, char **argv)
{
	int way = find_way(argc == 2 ? argv[1] : NULL);
	struct command command;

	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "join"))
			join_late();
		else if (!is_verb(&command, "go"))
			unknown_verb(&command);
		else
			for (long n = 0; n < command.count; n++)
				ways[way].create();
		printf("{\"way\":\"%s\",\"finished\":%d,\"unjoined\":%d,", ways[way].name, finished,
		       unjoined.count);
		print_ids("tids", &unjoined), printf("}\n");
	}
	return 0;
}
