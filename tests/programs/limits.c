/*
 * limits UID NPROC NOFILE AS: sets these limits for itself, soft and hard, and
 * becomes the user. A 0 leaves what there is.
 *
 * Protocol in program.h. The commands create things until there are N more of
 * them, or until the kernel refuses: `zombies N`, `threads N` (parked),
 * `files N`. `userns` enters a user namespace of its own; from `headless` on
 * another thread does all this, and the main thread has ended. Prints, since
 * the start:
 *   {"zombies":N,"threads":N,"files":N,"refused":true}
 * refused is whether the kernel refused the last command for want of room.
 */
#include "program.h"

#include <grp.h>

static int zombies, threads, files;

static void *parked(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* What a creating call returns where a limit is reached. */
static bool refused(int error)
{
	if (error != EAGAIN && error != EMFILE && error != ENOMEM)
		need_zero(error, "create");
	return error;
}

static bool zombie(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return !refused(errno);
	if (pid == 0)
		_exit(0);
	await_exit(pid);
	zombies++;
	return true;
}

static bool thread(void)
{
	pthread_t thread;

	if (refused(pthread_create(&thread, NULL, parked, NULL)))
		return false;
	threads++;
	return true;
}

static bool file(void)
{
	if (dup(STDIN_FILENO) < 0)
		return !refused(errno);
	files++;
	return true;
}

static bool user_namespace(void)
{
	need(unshare(CLONE_NEWUSER), "unshare user namespace");
	return true;
}

static void *serve_instead(void *unused);

static bool headless(void)
{
	pthread_t other;

	need_zero(pthread_create(&other, NULL, serve_instead, NULL), "pthread_create");
	pthread_exit(NULL);
}

static const struct {
	const char *verb;
	bool (*create)(void);
} verbs[] = {
	{"zombies", zombie},
	{"threads", thread},
	{"files", file},
	{"userns", user_namespace},
	{"headless", headless},
};

static void limit(int resource, rlim_t max)
{
	const struct rlimit both = {max, max};

	if (max)
		need(setrlimit(resource, &both), "setrlimit");
}

static void become(uid_t uid)
{
	if (!uid)
		return;
	need(setgroups(0, NULL), "setgroups");
	need(setresgid(uid, uid, uid), "setresgid");
	need(setresuid(uid, uid, uid), "setresuid");
}

/* False when the kernel refused. */
static bool obey(const struct command *command)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!is_verb(command, verbs[i].verb))
			continue;
		for (long n = 0; n < command->count; n++)
			if (!verbs[i].create())
				return false;
		return true;
	}
	unknown_verb(command);
}

static void tell(bool room)
{
	printf("{\"zombies\":%d,\"threads\":%d,\"files\":%d,\"refused\":%s}\n",
	       zombies, threads, files, room ? "false" : "true");
}

static _Noreturn void serve(void)
{
	struct command command;

	while (next_command(&command))
		tell(obey(&command));
	/* Zombies left to another reaper would count against the next test. */
	while (wait(NULL) > 0)
		;
	exit(0);
}

static void *serve_instead(void *unused)
{
	await_main_gone();
	tell(true);
	serve();
	return unused;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		fprintf(stderr, "usage: limits UID NPROC NOFILE AS\n");
		return 2;
	}
	/* What the test's own parent left open would be counted. */
	need(close_range(3, ~0U, 0), "close_range");
	limit(RLIMIT_NPROC, strtoul(argv[2], NULL, 10));
	limit(RLIMIT_NOFILE, strtoul(argv[3], NULL, 10));
	limit(RLIMIT_AS, strtoul(argv[4], NULL, 10));
	become((uid_t)strtoul(argv[1], NULL, 10));
	ready();
	serve();
}
