/*
 * mapfile FILE...: maps each FILE executable, whatever is in it, and never
 * runs it.
 *
 * Protocol in program.h. `go N` leaks N children. Prints, since the start:
 *   {"zombies":N,"zombie_pids":[..]}
 * To blame: leak_child.
 */
#include "program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct ids zombies;

SITE void leak_child(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	await_exit(pid);
	note(&zombies, pid);
}

static void map_file(const char *path)
{
	int fd = (int)need(open(path, O_RDONLY | O_CLOEXEC), path);
	struct stat stat;

	need(fstat(fd, &stat), path);
	/* An empty file cannot have an empty mapping. */
	size_t size = stat.st_size > 4096 ? (size_t)stat.st_size : 4096;
	if (mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED)
		die(path);
	close(fd);
}

int main(int argc, char **argv)
{
	struct command command;

	for (int i = 1; i < argc; i++)
		map_file(argv[i]);
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (long n = 0; n < command.count; n++)
			leak_child();
		printf("{\"zombies\":%d,", zombies.count);
		print_ids("zombie_pids", &zombies), printf("}\n");
	}
	return 0;
}
