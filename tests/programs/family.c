/*
 * family: has children, one after the other, for as long as it is not told to stop.
 *
 * Protocol in program.h. `grow` begins with that, and returns when there is a child.
 * `go` ends it, and then every child leaks a child of its own in leak_child. Prints,
 * since the start: {"zombies":N,"zombie_pids":[..]}
 */
#include "program.h"

#include <fcntl.h>
#include <stdatomic.h>

static struct ids zombies;
static atomic_int children;
static atomic_bool enough;

/* A child leaks once `leak` is closed, says so to `tell`, and ends with `end`. */
static int leak[2], tell[2], end[2];

static void await_eof(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

SITE void leak_child(void)
{
	pid_t child = (pid_t)need(fork(), "fork");

	if (child == 0)
		_exit(0);
	await_exit(child);
	need(write(tell[1], &child, sizeof(child)), "write");
}

static _Noreturn void be_child(void)
{
	close(leak[1]);
	close(end[1]);
	await_eof(leak[0]);
	leak_child();
	await_eof(end[0]);
	_exit(0);
}

/* Not as fast as it can: a thousand in a second are plenty. */
static void *grow(void *unused)
{
	while (!enough) {
		if (need(fork(), "fork") == 0)
			be_child();
		children++;
		usleep(1000);
	}
	return unused;
}

static void collect(void)
{
	pid_t child;

	close(leak[1]);
	while (zombies.count < children) {
		need(read(tell[0], &child, sizeof(child)), "read");
		note(&zombies, child);
	}
}

int main(void)
{
	struct command command;
	pthread_t grower;

	need(pipe2(leak, O_CLOEXEC), "pipe2");
	need(pipe2(tell, O_CLOEXEC), "pipe2");
	need(pipe2(end, O_CLOEXEC), "pipe2");
	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "grow")) {
			need_zero(pthread_create(&grower, NULL, grow, NULL), "pthread_create");
			while (!children)
				sched_yield();
		} else if (is_verb(&command, "go")) {
			enough = true;
			need_zero(pthread_join(grower, NULL), "pthread_join");
			collect();
		} else {
			unknown_verb(&command);
		}
		printf("{\"zombies\":%d,", zombies.count);
		print_ids("zombie_pids", &zombies);
		printf("}\n");
	}
	return 0;
}
