/*
 * deadlines SECONDS: a service that gives each call a deadline, by way of a timer in a
 * thread. The threads end in time, but nobody joins them, so their stacks stay.
 *
 *   to blame                          well-behaved neighbour
 *   with_deadline  forgets its timer  with_timeout  joins it
 */
#include "../program.h"
#include "tick.h"

/* Counts down until the call is done. */
struct timer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
};

static void *count_down(void *argument)
{
	struct timer *timer = argument;
	struct timespec deadline;

	pthread_setname_np(pthread_self(), "deadline");
	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 5;
	pthread_mutex_lock(&timer->lock);
	while (!timer->done && pthread_cond_timedwait(&timer->changed, &timer->lock, &deadline) == 0)
		;
	pthread_mutex_unlock(&timer->lock);
	return NULL;
}

static struct timer *new_timer(void)
{
	struct timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		die("calloc");
	pthread_mutex_init(&timer->lock, NULL);
	pthread_cond_init(&timer->changed, NULL);
	return timer;
}

static void stop(struct timer *timer)
{
	pthread_mutex_lock(&timer->lock);
	timer->done = true;
	pthread_cond_signal(&timer->changed);
	pthread_mutex_unlock(&timer->lock);
}

/* The bug: the timer is stopped, and its thread neither joined nor detached. */
SITE void with_deadline(void)
{
	struct timer *timer = new_timer();
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, count_down, timer), "pthread_create"); /* to blame */
	stop(timer);
}

SITE void with_timeout(void)
{
	struct timer *timer = new_timer();
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, count_down, timer), "pthread_create");
	stop(timer);
	pthread_join(thread, NULL);
	free(timer);
}

SITE void handle_request(void)
{
	with_timeout();
	with_deadline();
	KEEP_FRAME();
}

int main(int argc, char **argv)
{
	serve_for(argc > 1 ? argv[1] : NULL, handle_request);
	return 0;
}
