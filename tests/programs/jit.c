/*
 * jit: a worker runs code that is in no file: some of it its parent's, and some its own
 * where the parent had other code. Each writes what it has for perf, as compilers do.
 *
 * Protocol in program.h; the worker obeys. `go N` leaks N children by way of each.
 * Prints, since the start: {"zombies":N,"zombie_pids":[..]}
 */
#include "program.h"

#include <sys/mman.h>

/* The copies are position-independent, for all that they call is an argument. */
__attribute__((section("generated"), noipa, used)) static void call(void (*function)(void))
{
	function();
	KEEP_FRAME();
}

extern const char __start_generated[], __stop_generated[];

enum { ROOM = 4096, HALF = ROOM / 2 };

static struct ids zombies;
static char *code;

static size_t generate(char *at)
{
	size_t size = (size_t)(__stop_generated - __start_generated);

	memcpy(at, __start_generated, size);
	__builtin___clear_cache(at, at + size);
	return size;
}

static const char *map_path(pid_t pid)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid);
	return path;
}

static FILE *open_map(void)
{
	FILE *map = fopen(map_path(getpid()), "w");

	if (!map)
		die("perf map");
	return map;
}

static void write_map(FILE *map, const char *at, size_t size, const char *name)
{
	fprintf(map, "%lx %zx %s\n", (unsigned long)at, size, name);
}

SITE void leak_child(void)
{
	pid_t child = (pid_t)need(fork(), "fork");

	if (child == 0)
		_exit(0);
	await_exit(child);
	note(&zombies, child);
}

SITE void work(char *at)
{
	void (*generated)(void (*)(void));

	memcpy(&generated, &at, sizeof(at));
	generated(leak_child);
	KEEP_FRAME();
}

static void serve(void)
{
	struct command command;
	FILE *map = open_map();

	write_map(map, code, generate(code), "compiled_by_worker");
	fclose(map);
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (long n = 0; n < command.count; n++) {
			work(code);
			work(code + HALF);
		}
		printf("{\"zombies\":%d,", zombies.count);
		print_ids("zombie_pids", &zombies);
		printf("}\n");
	}
	exit(0);
}

int main(void)
{
	FILE *map = open_map();
	pid_t worker;

	code = mmap(NULL, ROOM, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		die("mmap");
	write_map(map, code, generate(code), "compiled_by_parent");
	write_map(map, code + HALF, generate(code + HALF), "compiled_for_all");
	fclose(map);
	worker = (pid_t)need(fork(), "fork");
	if (worker == 0)
		serve();
	reap(worker);
	unlink(map_path(worker));
	unlink(map_path(getpid()));
	return 0;
}
