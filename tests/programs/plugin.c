/* plugin.so, loaded by dlopen.c: leaks from code that was not mapped when
 * tracing began. To blame: plugin_leak_child and plugin_leak_thread. */
#include "program.h"

static void *never_ends(void *unused)
{
	announce();
	for (;;)
		pause();
	return unused;
}

SITE pid_t plugin_leak_child(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	return pid;
}

SITE pid_t plugin_leak_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, never_ends, NULL), "pthread_create");
	return await_tid();
}

/* Nothing before the first leak: the tracer has no time to notice the library. */
void plugin_run(pid_t *child, pid_t *tid);
void plugin_run(pid_t *child, pid_t *tid)
{
	*child = plugin_leak_child();
	*tid = plugin_leak_thread();
	await_exit(*child);
}
