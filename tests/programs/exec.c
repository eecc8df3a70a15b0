/*
 * exec: replaces itself by itself, and leaks in the new image.
 *
 * Protocol in program.h. `leak N` leaks N children in the old image, which stay
 * zombies of the new one; `end N` ends N threads that nobody joins, which exec ends
 * for good; `go N` execs, and the new image at once leaks N children and N
 * threads. It does not print `ready` again.
 * Prints, since the process began:
 *   {"image":"old"|"new","before":N,"zombies":N,"threads":N,
 *    "zombie_pids":[..],"thread_tids":[..]}
 * before: zombies from before the last exec. The pids and tids are those of
 * the present image only.
 * To blame: leak_before_exec (leak), leak_unjoined (end), leak_child and
 * leak_thread (go).
 */
#include "program.h"

static struct ids zombies, threads;
static long before;
static const char *image = "old";

static void *never_ends(void *unused)
{
	announce();
	for (;;)
		pause();
	return unused;
}

static void *ends_at_once(void *unused)
{
	announce();
	return unused;
}

SITE void leak_unjoined(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	await_thread_gone(await_tid());
}

SITE void leak_before_exec(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	await_exit(pid);
	note(&zombies, pid);
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

static void print_truth(void)
{
	printf("{\"image\":\"%s\",\"before\":%ld,\"zombies\":%d,\"threads\":%d,", image, before,
	       zombies.count, threads.count);
	print_ids("zombie_pids", &zombies), printf(",");
	print_ids("thread_tids", &threads), printf("}\n");
}

static _Noreturn void exec_self(long count)
{
	char path[4096], count_argument[24], before_argument[24];
	/* By its own name: as /proc/self/exe its comm would become "exe". */
	long length = need(readlink("/proc/self/exe", path, sizeof(path) - 1), "readlink");

	path[length] = 0;
	snprintf(count_argument, sizeof(count_argument), "%ld", count);
	snprintf(before_argument, sizeof(before_argument), "%ld", before + zombies.count);
	execl(path, path, "new-image", count_argument, before_argument, NULL);
	die("execl");
}

SITE void run_new_image(long count)
{
	for (long n = 0; n < count; n++) {
		leak_child();
		leak_thread();
	}
	KEEP_FRAME();
}

int main(int argc, char **argv)
{
	struct command command;

	if (argc == 4) {
		image = "new";
		before = atol(argv[3]);
		run_new_image(atol(argv[2]));
		setvbuf(stdin, NULL, _IONBF, 0);
		print_truth();
		fflush(stdout);
	} else {
		ready();
	}
	while (next_command(&command)) {
		if (is_verb(&command, "go"))
			exec_self(command.count);
		if (is_verb(&command, "end"))
			for (long n = 0; n < command.count; n++)
				leak_unjoined();
		else if (!is_verb(&command, "leak"))
			unknown_verb(&command);
		else
			for (long n = 0; n < command.count; n++)
				leak_before_exec();
		print_truth();
		fflush(stdout);
	}
	return 0;
}
