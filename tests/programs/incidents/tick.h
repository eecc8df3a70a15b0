/* A service that is asked for something twenty times a second. */
#ifndef TICK_H
#define TICK_H

#include <stdlib.h>
#include <time.h>

enum { REQUESTS_PER_SECOND = 20 };

static inline void serve_for(const char *seconds, void (*handle_request)(void))
{
	long requests = (seconds ? atol(seconds) : 60) * REQUESTS_PER_SECOND;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (; requests > 0; requests--) {
		handle_request();
		next.tv_nsec += 1000000000 / REQUESTS_PER_SECOND;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
}

#endif
