/*
 * dlopen: loads plugin.so, which lies beside it, and at once calls a function
 * in it that leaks one child and one thread.
 *
 * Protocol in program.h. `go N` calls it N times; the first call comes
 * immediately after the dlopen. Prints, since the start:
 *   {"zombies":N,"threads":N,"zombie_pids":[..],"thread_tids":[..]}
 * Stacks: main > load_plugin in the program, then, in plugin.so, plugin_run >
 * plugin_leak_child or plugin_leak_thread, both to blame.
 */
#include "program.h"

#include <dlfcn.h>

typedef void plugin_run(pid_t *child, pid_t *tid);

static struct ids zombies, threads;

SITE void load_plugin(void)
{
	pid_t child, tid;
	/* Loaded once, then only counted. */
	void *plugin = dlopen("plugin.so", RTLD_NOW);
	plugin_run *run = plugin ? (plugin_run *)dlsym(plugin, "plugin_run") : NULL;

	if (!run) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	run(&child, &tid);
	note(&zombies, child);
	note(&threads, tid);
}

int main(void)
{
	struct command command;

	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (long n = 0; n < command.count; n++)
			load_plugin();
		printf("{\"zombies\":%d,\"threads\":%d,", zombies.count, threads.count);
		print_ids("zombie_pids", &zombies), printf(",");
		print_ids("thread_tids", &threads), printf("}\n");
	}
	return 0;
}
