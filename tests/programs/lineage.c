/* Children whose parent, leader or namespace is not the ordinary one. */
#include "lineage.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

static void die_with_parent(void)
{
	need(prctl(PR_SET_PDEATHSIG, SIGKILL), "PR_SET_PDEATHSIG");
}

/* The state letter of a task in /proc, or 0 when there is none. */
static char task_state(pid_t pid, pid_t tid)
{
	char path[64], stat[512] = "";
	const char *after_name;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(stat, sizeof(stat), file))
		stat[0] = 0;
	fclose(file);
	after_name = strrchr(stat, ')');
	return after_name ? after_name[2] : 0;
}

/* waitid cannot ask for the exit of what is not our child, or not over yet. */
static void await_dead_task(pid_t pid)
{
	char state;

	while ((state = task_state(pid, pid)) != 'Z' && state)
		sched_yield();
}

/* A pipe's read end returns at once when all its write ends are gone. */
static void await_eof(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

/* -- clone-parent: the child is born as a sibling --------------------------- */

SITE void leak_to_parent(void)
{
	pid_t pid = (pid_t)need(syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0), "clone");

	if (pid == 0)
		_exit(0);
	await_dead_task(pid);
	note(&zombies, pid);
}

void clone_parent(void)
{
	reaper = getppid();
	leak_to_parent();
	KEEP_FRAME();
}

/* -- leader-exits-first: /proc says Z, but the process lives on ------------- */

static int second_threads_hold = -1, second_threads_wait = -1;

static void *outlives_leader(void *unused)
{
	await_eof(second_threads_wait);
	/* Not by returning: glibc would run exit() for the last thread. */
	syscall(SYS_exit, 0);
	return unused;
}

static _Noreturn void run_leaderless(void)
{
	pthread_t second;

	close(second_threads_hold);
	need_zero(pthread_create(&second, NULL, outlives_leader, NULL), "pthread_create");
	syscall(SYS_exit, 0);
	__builtin_unreachable();
}

SITE void long_lived_leaderless(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		run_leaderless();
	await_dead_task(pid);
	note(&alive, pid);
}

void leader_exits_first(void)
{
	int ends[2];

	if (second_threads_hold < 0) {
		need(pipe2(ends, O_CLOEXEC), "pipe2");
		second_threads_wait = ends[0];
		second_threads_hold = ends[1];
	}
	long_lived_leaderless();
	KEEP_FRAME();
}

static void all_become_zombies(void)
{
	for (int i = 0; i < alive.count; i++)
		note_zombie((pid_t)alive.id[i]);
	alive.count = 0;
}

void end_second_threads(void)
{
	close(second_threads_hold);
	second_threads_hold = -1;
	close(second_threads_wait);
	all_become_zombies();
}

/* -- double-fork: whoever forked it is gone ---------------------------------- */

/* Called in the middle process: the grandchild exits when it has a new parent,
 * which is when the last write end of `hold` is closed. */
SITE void leak_grandchild(int wait_end, int hold_end, int tell)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0) {
		close(hold_end);
		await_eof(wait_end);
		_exit(0);
	}
	if (tell >= 0)
		need(write(tell, &pid, sizeof(pid)), "write");
}

/* Leaves a grandchild to the subreaper or pid 1 that calls this. */
static void orphan_one(int tell)
{
	int ends[2];

	need(pipe2(ends, O_CLOEXEC), "pipe2");
	pid_t middle = (pid_t)need(fork(), "fork");
	if (middle == 0) {
		leak_grandchild(ends[0], ends[1], tell);
		_exit(0);
	}
	reap(middle);
	close(ends[1]);
	close(ends[0]);
	reaped++;
}

void double_fork(void)
{
	int ends[2];
	pid_t grandchild;

	need(prctl(PR_SET_CHILD_SUBREAPER, 1), "PR_SET_CHILD_SUBREAPER");
	need(pipe2(ends, O_CLOEXEC), "pipe2");
	orphan_one(ends[1]);
	need(read(ends[0], &grandchild, sizeof(grandchild)), "read");
	close(ends[0]);
	close(ends[1]);
	note_zombie(grandchild);
}

/* -- double-fork-pidns: as in a container whose pid 1 does not reap ---------- */

static _Noreturn void run_pid1(int said_done)
{
	die_with_parent();
	orphan_one(-1);
	close(said_done);
	for (;;)
		pause();
}

/* In our /proc, and so in our namespace: pid 1 knows only its own numbers. */
static pid_t only_child_of(pid_t pid)
{
	char path[64];
	int child = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	FILE *file = fopen(path, "re");
	if (!file || fscanf(file, "%d", &child) != 1)
		die(path);
	fclose(file);
	return child;
}

void double_fork_pidns(void)
{
	int ends[2];

	need(pipe2(ends, O_CLOEXEC), "pipe2");
	reaper = (pid_t)need(syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0), "clone");
	if (reaper == 0) {
		close(ends[0]);
		run_pid1(ends[1]);
	}
	close(ends[1]);
	await_eof(ends[0]);
	close(ends[0]);
	note(&alive, reaper);
	pid_t grandchild = only_child_of(reaper);
	await_dead_task(grandchild);
	note(&zombies, grandchild);
	reaped++;
}

/* -- exec-from-thread: the thread takes over the leader's pid ----------------- */

static void *exec_sleep(void *unused)
{
	die_with_parent();
	execl("/bin/sleep", "sleep", "100000", NULL);
	_exit(127);
	return unused;
}

SITE void long_lived_exec(void)
{
	int ends[2];
	pthread_t second;

	/* Closed by the exec: then it has happened. */
	need(pipe2(ends, O_CLOEXEC), "pipe2");
	pid_t pid = (pid_t)need(fork(), "fork");
	if (pid == 0) {
		need_zero(pthread_create(&second, NULL, exec_sleep, NULL), "pthread_create");
		for (;;)
			pause();
	}
	close(ends[1]);
	await_eof(ends[0]);
	close(ends[0]);
	note(&alive, pid);
}

void exec_from_thread(void)
{
	long_lived_exec();
	KEEP_FRAME();
}

void kill_all(void)
{
	for (int i = 0; i < alive.count; i++)
		need(kill((pid_t)alive.id[i], SIGKILL), "kill");
	all_become_zombies();
}
