/*
 * headless: its main thread ends at once, another one goes on.
 *
 * Protocol in program.h. `go N` leaks N children in leak_child. Prints, since
 * the start: {"zombies":N,"zombie_pids":[..]}
 */
#include "program.h"

static struct ids zombies;

SITE void leak_child(void)
{
	pid_t child = (pid_t)need(fork(), "fork");

	if (child == 0)
		_exit(0);
	await_exit(child);
	note(&zombies, child);
}

static void *obey(void *unused)
{
	struct command command;

	await_main_gone();
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (long n = 0; n < command.count; n++)
			leak_child();
		printf("{\"zombies\":%d,", zombies.count);
		print_ids("zombie_pids", &zombies);
		printf("}\n");
	}
	exit(0);
	return unused;
}

int main(void)
{
	pthread_t other;

	need_zero(pthread_create(&other, NULL, obey, NULL), "pthread_create");
	pthread_exit(NULL);
}
