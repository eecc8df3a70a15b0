/*
 * headless: its main thread ends when it is told to, another one goes on.
 *
 * Protocol in program.h. `go N` leaks N children in leak_child and as many finished
 * threads in leak_unjoined, `end` ends the main thread, `join` joins all threads.
 * Prints, since the start:
 *   {"zombies":N,"unjoined":M,"zombie_pids":[..],"unjoined_tids":[..]}
 */
#include "program.h"

#include <semaphore.h>

static struct ids zombies, unjoined;
static pthread_t unjoined_threads[20000];
static sem_t ending;

SITE void leak_child(void)
{
	pid_t child = (pid_t)need(fork(), "fork");

	if (child == 0)
		_exit(0);
	await_exit(child);
	note(&zombies, child);
}

static void *ends_at_once(void *unused)
{
	announce();
	return unused;
}

SITE void leak_unjoined(void)
{
	pthread_t *thread = &unjoined_threads[unjoined.count];

	need_zero(pthread_create(thread, NULL, ends_at_once, NULL), "pthread_create");
	pid_t tid = await_tid();
	await_thread_gone(tid);
	note(&unjoined, tid);
}

static void join_all(void)
{
	while (unjoined.count > 0)
		need_zero(pthread_join(unjoined_threads[--unjoined.count], NULL), "pthread_join");
}

static void end_main(void)
{
	need(sem_post(&ending), "sem_post");
	await_main_gone();
}

static void obey(const struct command *command)
{
	if (is_verb(command, "end"))
		end_main();
	else if (is_verb(command, "join"))
		join_all();
	else if (is_verb(command, "go"))
		for (long n = 0; n < command->count; n++) {
			leak_child();
			leak_unjoined();
		}
	else
		unknown_verb(command);
}

static void *serve(void *unused)
{
	struct command command;

	ready();
	while (next_command(&command)) {
		obey(&command);
		printf("{\"zombies\":%d,\"unjoined\":%d,", zombies.count, unjoined.count);
		print_ids("zombie_pids", &zombies);
		printf(",");
		print_ids("unjoined_tids", &unjoined);
		printf("}\n");
	}
	exit(0);
	return unused;
}

int main(void)
{
	pthread_t other;

	need(sem_init(&ending, 0, 0), "sem_init");
	need_zero(pthread_create(&other, NULL, serve, NULL), "pthread_create");
	while (sem_wait(&ending) != 0)
		;
	pthread_exit(NULL);
}
