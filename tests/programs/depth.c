/*
 * depth D N: creates threads from call stacks of known depth, and says which
 * stacks those were.
 *
 * Protocol in program.h. On `go` it creates N threads and prints one line each:
 *   {"tid":T,"frames":[{"module":"/path","address":"0x..."},..]}
 * then {"depth":D,"events":N}. The frames are glibc's backtrace() taken by
 * spawn_at_bottom, which then calls pthread_create: they begin with the return
 * address in spawn_at_bottom's caller and end in _start, and are return
 * addresses as ELF virtual addresses of the module. The threads live until EOF.
 *
 * Between run_event and spawn_at_bottom are D functions of four shapes, chosen
 * by the event's number. In every second event one of them goes through libc's
 * qsort, whose own frames come on top of D.
 */
#include "modules.h"

#include <alloca.h>
#include <execinfo.h>

enum { MAX_FRAMES = 512 };

struct event {
	unsigned number;
	int depth;
	pid_t tid;
	int frame_count;
	void *frames[MAX_FRAMES];
};

static void *lives_on(void *unused)
{
	announce();
	for (;;)
		pause();
	return unused;
}

SITE void spawn_at_bottom(struct event *event)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 * 1024);
	event->frame_count = backtrace(event->frames, MAX_FRAMES);
	need_zero(pthread_create(&thread, &small, lives_on, NULL), "pthread_create");
	event->tid = await_tid();
}

typedef long shape(struct event *event, int level);
static shape narrow, wide, grown, pressed, sorted;

/* Which function is next: bits of the event's number, spread by a
 * multiplication so that neighbouring events differ at every level. */
static shape *next_shape(const struct event *event, int level)
{
	static shape *const shapes[] = {narrow, wide, grown, pressed};
	unsigned spread = (event->number + 1) * 2654435761u;

	if (event->number & 1 && level == (event->depth + 1) / 2)
		return sorted;
	return shapes[(spread >> (level * 7 % 30)) & 3];
}

static inline long descend(struct event *event, int level)
{
	if (level == 0) {
		spawn_at_bottom(event);
		KEEP_FRAME();
		return 0;
	}
	return next_shape(event, level)(event, level - 1);
}

SITE long narrow(struct event *event, int level)
{
	return descend(event, level) + 1;
}

SITE long wide(struct event *event, int level)
{
	volatile char locals[2000];

	locals[level] = 1;
	return descend(event, level) + locals[level];
}

/* alloca: here even -O2 finds the frame by rbp, and not where it was. */
SITE long grown(struct event *event, int level)
{
	volatile char *room = alloca((size_t)(16 + (event->number + (unsigned)level) % 700));

	room[0] = 1;
	return descend(event, level) + room[0];
}

/* More values alive across the call than there are callee-saved registers. */
SITE long pressed(struct event *event, int level)
{
	volatile long source = level;
	long a = source, b = source, c = source, d = source, e = source, f = source, g = source;

	return descend(event, level) + a + b + c + d + e + f + g - 7 * source + 1;
}

/* A comparator gets no context, so what it needs is the element itself. */
struct element {
	struct event *event;
	int level;
};

static int compare(const void *left, const void *right)
{
	const struct element *element = left;

	(void)right;
	return descend(element->event, element->level) > 0;
}

SITE long sorted(struct event *event, int level)
{
	struct element elements[2] = {{event, level}, {event, level}};

	qsort(elements, 2, sizeof(elements[0]), compare);
	return elements[0].level + 1;
}

SITE long run_event(struct event *event)
{
	return descend(event, event->depth) + 1;
}

static void print_event(const struct event *event)
{
	printf("{\"tid\":%d,\"frames\":[", event->tid);
	/* The first frame is spawn_at_bottom's own: another call than the one
	 * that creates the thread. */
	for (int i = 1; i < event->frame_count; i++) {
		if (i > 1)
			printf(",");
		print_frame((uintptr_t)event->frames[i]);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	static struct event event;
	struct command command;

	if (argc != 3) {
		fprintf(stderr, "usage: depth D N\n");
		return 2;
	}
	/* The first backtrace() loads libgcc: not in the middle of an event. */
	backtrace(event.frames, 1);
	find_modules();
	event.depth = atoi(argv[1]);
	ready();
	while (next_command(&command)) {
		unsigned events = (unsigned)atoi(argv[2]);

		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (event.number = 0; event.number < events; event.number++) {
			run_event(&event);
			print_event(&event);
		}
		printf("{\"depth\":%d,\"events\":%u}\n", event.depth, events);
	}
	return 0;
}
