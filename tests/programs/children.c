/*
 * children WAY: creates children in one of the ways there are, and reaps them
 * or does not.
 *
 * Protocol in program.h. `go N` does it N times and returns when every exit is
 * visible in the kernel. Some ways have a second command, `end`, which ends the
 * children that `go` left running. Prints, since the start:
 *   {"way":"..","zombies":N,"reaped":N,"alive":N,"reaper":PID,
 *    "zombie_pids":[..],"alive_pids":[..]}
 * reaper is who must reap the zombies now: this program, its parent
 * (clone-parent) or a namespace's pid 1 (double-fork-pidns: alive_pids[i] must
 * reap zombie_pids[i], and reaper is the last of them). All pids are those of
 * the program's own /proc. Zombies of clone-parent outlive the program.
 *
 * The table at the end has the ways and the functions that create the children:
 * leak_* are to blame, reap_* are not, nor are long_lived_* before `end`.
 */
#include "lineage.h"

#include <signal.h>
#include <spawn.h>

extern char **environ;

struct ids zombies, alive;
int reaped;
pid_t reaper;

static char *const true_argv[] = {"true", NULL};

void note_zombie(pid_t pid)
{
	await_exit(pid);
	note(&zombies, pid);
}

static void reap_now(pid_t pid)
{
	reap(pid);
	reaped++;
}

SITE void leak_fork(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(7);
	note_zombie(pid);
}

SITE void reap_fork(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(7);
	reap_now(pid);
}

SITE void leak_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	note_zombie((pid_t)need(pid, "vfork"));
}

SITE void leak_vfork_exec(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv("/bin/true", true_argv);
		_exit(127);
	}
	note_zombie((pid_t)need(pid, "vfork"));
}

SITE void reap_vfork(void)
{
	pid_t pid = vfork();

	if (pid == 0)
		_exit(0);
	reap_now((pid_t)need(pid, "vfork"));
}

SITE void reap_vfork_exec(void)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execv("/bin/true", true_argv);
		_exit(127);
	}
	reap_now((pid_t)need(pid, "vfork"));
}

SITE void leak_posix_spawn(void)
{
	pid_t pid;

	need_zero(posix_spawn(&pid, "/bin/true", NULL, NULL, true_argv, environ), "posix_spawn");
	note_zombie(pid);
}

SITE void reap_posix_spawn(void)
{
	pid_t pid;

	need_zero(posix_spawn(&pid, "/bin/true", NULL, NULL, true_argv, environ), "posix_spawn");
	reap_now(pid);
}

/* With autoreaping, wait blocks until no child is left, and finds none; that
 * can be an instant before the kernel lets go of the last one. */
static void await_autoreap(pid_t pid)
{
	if (wait(NULL) != -1 || errno != ECHILD)
		die("wait found a child that was to be autoreaped");
	while (kill(pid, 0) == 0)
		sched_yield();
	reaped++;
}

SITE void reap_by_ignoring(void)
{
	signal(SIGCHLD, SIG_IGN);
	pid_t pid = (pid_t)need(fork(), "fork");
	if (pid == 0)
		_exit(0);
	await_autoreap(pid);
}

static void on_child(int signal)
{
	(void)signal;
}

SITE void reap_by_nocldwait(void)
{
	const struct sigaction action = {.sa_handler = on_child,
					 .sa_flags = SA_NOCLDWAIT | SA_RESTART};

	need(sigaction(SIGCHLD, &action, NULL), "sigaction");
	pid_t pid = (pid_t)need(fork(), "fork");
	if (pid == 0)
		_exit(0);
	await_autoreap(pid);
}

/* Looks at the exit status twice, and leaves the zombie where it is. */
SITE void leak_wnowait(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	await_exit(pid);
	note_zombie(pid);
}

SITE void reap_waitid(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	need(waitid(P_PID, (id_t)pid, &info, WEXITED), "waitid");
	reaped++;
}

static pid_t forked_in_handler;

static void leak_from_handler(int signal)
{
	pid_t pid = fork();

	(void)signal;
	if (pid == 0)
		_exit(0);
	forked_in_handler = pid;
}

SITE void interrupted_work(void)
{
	signal(SIGUSR1, leak_from_handler);
	need(raise(SIGUSR1), "raise");
	note_zombie((pid_t)need(forked_in_handler, "fork"));
}

static const struct {
	const char *name;
	void (*create)(void);
	void (*end)(void);
} ways[] = {
	{"fork", leak_fork, NULL},
	{"fork-reaped", reap_fork, NULL},
	{"vfork", leak_vfork, NULL},
	{"vfork-reaped", reap_vfork, NULL},
	{"vfork-exec", leak_vfork_exec, NULL},
	{"vfork-exec-reaped", reap_vfork_exec, NULL},
	{"posix-spawn", leak_posix_spawn, NULL},
	{"posix-spawn-reaped", reap_posix_spawn, NULL},
	{"sigchld-ignored", reap_by_ignoring, NULL},
	{"nocldwait", reap_by_nocldwait, NULL},
	{"wnowait", leak_wnowait, NULL},
	{"waitid", reap_waitid, NULL},
	{"fork-in-signal-handler", interrupted_work, NULL},	  /* leak_from_handler */
	{"clone-parent", clone_parent, NULL},			  /* leak_to_parent */
	{"leader-exits-first", leader_exits_first, end_second_threads}, /* long_lived_leaderless */
	{"double-fork", double_fork, NULL},			  /* leak_grandchild */
	{"double-fork-pidns", double_fork_pidns, NULL},		  /* leak_grandchild */
	{"exec-from-thread", exec_from_thread, kill_all},	  /* long_lived_exec */
};

static int find_way(const char *name)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++)
		if (name && strcmp(ways[way].name, name) == 0)
			return way;
	fprintf(stderr, "usage: children WAY\n");
	exit(2);
}

static void print_truth(const char *way)
{
	printf("{\"way\":\"%s\",\"zombies\":%d,\"reaped\":%d,\"alive\":%d,\"reaper\":%d,", way,
	       zombies.count, reaped, alive.count, reaper);
	print_ids("zombie_pids", &zombies), printf(",");
	print_ids("alive_pids", &alive), printf("}\n");
}

int main(int argc, char **argv)
{
	int way = find_way(argc == 2 ? argv[1] : NULL);
	struct command command;

	reaper = getpid();
	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "end") && ways[way].end)
			ways[way].end();
		else if (!is_verb(&command, "go"))
			unknown_verb(&command);
		else
			for (long n = 0; n < command.count; n++)
				ways[way].create();
		print_truth(ways[way].name);
	}
	return 0;
}
