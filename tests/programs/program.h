/*
 * What every traced program here shares.
 *
 * Protocol: the program prints `ready PID`, then reads commands from stdin, one
 * a line: `go` or `go N`. After each it prints one line of JSON: what it truly
 * did since it started. EOF ends it with status 0, and its own exit is the
 * clean-up. Nothing sleeps: a line is printed only when what it says is true
 * in the kernel too, so a test never has to wait and hope.
 *
 * Creating calls (fork, pthread_create, connect) stand in the function that is
 * to be blamed, never in a helper: a helper, even inlined, would be the site.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A function that must have a frame and a name of its own at -O2: noinline
 * alone still lets gcc clone it, split it or fold it into its twin. */
#if defined(__clang__)
#define SITE static __attribute__((noinline))
#else
#define SITE static __attribute__((noipa))
#endif

/* After a call that must stay a call: the last one would become a jump, and
 * the caller would be missing from the stack. */
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static inline _Noreturn void die(const char *what)
{
	perror(what);
	exit(1);
}

static inline long need(long result, const char *what)
{
	if (result < 0)
		die(what);
	return result;
}

/* For the calls that return the error number instead of setting errno. */
static inline void need_zero(int error, const char *what)
{
	errno = error;
	if (error)
		die(what);
}

static inline void ready(void)
{
	struct rlimit files;

	/* A test may ask for more leaked sockets than the usual soft limit. */
	need(getrlimit(RLIMIT_NOFILE, &files), "getrlimit");
	files.rlim_cur = files.rlim_max;
	need(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
	/* Unbuffered, so that an exec or a child never swallows a command. */
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("ready %d\n", getpid());
}

struct command {
	char verb[16];
	long count;
};

/* False at EOF. A verb without a number has count 1. */
static inline bool next_command(struct command *command)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	command->count = 1;
	if (sscanf(line, "%15s %ld", command->verb, &command->count) < 1 || command->count < 0) {
		fprintf(stderr, "not a command: %s", line);
		exit(2);
	}
	return true;
}

static inline bool is_verb(const struct command *command, const char *verb)
{
	return strcmp(command->verb, verb) == 0;
}

static inline _Noreturn void unknown_verb(const struct command *command)
{
	fprintf(stderr, "unknown command: %s\n", command->verb);
	exit(2);
}

/* pids, tids or ports of what is outstanding, to be printed as a JSON array. */
struct ids {
	int count;
	long id[20000];
};

static inline void note(struct ids *ids, long id)
{
	if (ids->count == (int)(sizeof(ids->id) / sizeof(ids->id[0]))) {
		fprintf(stderr, "more leaks than a test should need\n");
		exit(2);
	}
	ids->id[ids->count++] = id;
}

static inline void print_ids(const char *name, const struct ids *ids)
{
	printf("\"%s\":[", name);
	for (int i = 0; i < ids->count; i++)
		printf("%s%ld", i ? "," : "", ids->id[i]);
	printf("]");
}

/* A new thread says its tid; its creator waits for that. Threads are created
 * one at a time, so one slot is enough. */
static pthread_mutex_t announce_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t announce_changed = PTHREAD_COND_INITIALIZER;
static pid_t announced_tid;

static inline void announce(void)
{
	pthread_mutex_lock(&announce_lock);
	announced_tid = (pid_t)syscall(SYS_gettid);
	pthread_cond_signal(&announce_changed);
	pthread_mutex_unlock(&announce_lock);
}

static inline pid_t await_tid(void)
{
	pthread_mutex_lock(&announce_lock);
	while (!announced_tid)
		pthread_cond_wait(&announce_changed, &announce_lock);
	pid_t tid = announced_tid;
	announced_tid = 0;
	pthread_mutex_unlock(&announce_lock);
	return tid;
}

/* Joining returns when the kernel clears the tid, which is before the task is
 * gone; signal 0 finds the task until it is released. */
static inline void await_thread_gone(pid_t tid)
{
	while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
		sched_yield();
}

/* Returns when the child has exited; WNOWAIT leaves it unreaped. */
static inline void await_exit(pid_t pid)
{
	siginfo_t info;

	need(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), "waitid WNOWAIT");
}

/* Called by another thread: the main thread, which ends by pthread_exit, stays
 * behind as a zombie until the last one has ended. */
static inline void await_main_gone(void)
{
	char state = 'R';

	while (state != 'Z') {
		FILE *stat = fopen("/proc/self/stat", "re");

		if (!stat || fscanf(stat, "%*d (%*[^)]) %c", &state) != 1)
			die("/proc/self/stat");
		fclose(stat);
	}
}

static inline void reap(pid_t pid)
{
	need(waitpid(pid, NULL, 0), "waitpid");
}

#endif
