/*
 * parked: threads that are blocked, each at a known place.
 *
 * Protocol in program.h, with commands of its own:
 *   go N      N more threads at every place; prints all there are, by place:
 *             {"places":[{"chain":["wait_cond","inner_wait_cond",..],"tids":[..]},..]}
 *             with the functions from the one that blocks to the thread's own
 *   fault     a thread that waits for a page which never comes; prints the same
 *   busy N    N threads that never block; prints {"tids":[..]}
 *   churn N   N threads that nap in left() or in right(), at two depths;
 *             prints {"tids":[..]}
 *   call N    N system calls of the main thread; prints {"ns_per_op":x.x}
 *   remap N   N new mappings, used and unmapped; prints the same
 * Every thread but a busy or churning one is blocked when the line is printed.
 */
#include "program.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

enum { STACK = 128 * 1024 }; /* the least that arm64 allows */

/* What never comes. */
static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cond_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static int empty_pipe[2], silent_socket[2], empty_epoll;
static const struct timespec long_time = {.tv_sec = 1000000};
static char *missing_page;

/* Threads to be joined: one can be joined by one only. */
static pthread_t joinable[20000];
static atomic_int joinables, joined;

static atomic_int started_tid;

static void say_started(const char *name)
{
	pthread_setname_np(pthread_self(), name);
	atomic_store(&started_tid, (int)syscall(SYS_gettid));
}

/* Something on the stack, which makes a frame that large. */
#define PAD(size)                                    \
	char pad[size];                              \
	__asm__ volatile("" : : "r"(pad) : "memory")

/* thread_NAME > inner_NAME > .. > inner_NAME > NAME, which blocks. */
#define PLACE(name, depth, ...)                       \
	SITE void name(void)                          \
	{                                             \
		__VA_ARGS__;                          \
		KEEP_FRAME();                         \
	}                                             \
	SITE void inner_##name(int more)              \
	{                                             \
		PAD(16 * sizeof(#name));              \
		if (more > 1)                         \
			inner_##name(more - 1);       \
		else                                  \
			name();                       \
		KEEP_FRAME();                         \
	}                                             \
	static void *thread_##name(void *unused)      \
	{                                             \
		say_started(#name);                   \
		inner_##name(depth);                  \
		fprintf(stderr, #name " returned\n"); \
		abort();                              \
		return unused;                        \
	}

/* The one before has another frame size, and touch faults in its first
 * instruction: who looks for the call before the address finds the wrong one. */
void touch(const char *byte);
#if defined(__x86_64__)
#define GROW_STACK "sub $72, %rsp\n"
#define GROWN "72"
#define TRAP "ud2\n"
#define LOAD "movb (%rdi), %al\n"
#elif defined(__aarch64__)
#define GROW_STACK "sub sp, sp, #80\n"
#define GROWN "80"
#define TRAP "udf #0\n"
#define LOAD "ldrb w0, [x0]\n"
#endif
__asm__(".text\n"
	".type before_touch, %function\n"
	"before_touch:\n"
	"	.cfi_startproc\n"
	"	" GROW_STACK
	"	.cfi_adjust_cfa_offset " GROWN "\n"
	"	" TRAP
	"	.cfi_endproc\n"
	"	.size before_touch, . - before_touch\n"
	".type touch, %function\n"
	"touch:\n"
	"	.cfi_startproc\n"
	"	" LOAD
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size touch, . - touch\n");

PLACE(wait_cond, 1, pthread_mutex_lock(&cond_lock); for (;;) pthread_cond_wait(&cond, &cond_lock))
PLACE(lock_mutex, 2, pthread_mutex_lock(&held))
PLACE(wait_sem, 3, sem_wait(&semaphore))
PLACE(join_thread, 4, pthread_join(joinable[atomic_fetch_add(&joined, 1)], NULL))
PLACE(sleep_relative, 5, nanosleep(&long_time, NULL))
PLACE(sleep_until, 6, clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &long_time, NULL))
PLACE(read_pipe, 100, need(read(empty_pipe[0], (char[1]){0}, 1), "read"))
PLACE(receive_socket, 8, recv(silent_socket[0], (char[1]){0}, 1, 0))
PLACE(poll_one, 9, poll(&(struct pollfd){.fd = empty_pipe[0], .events = POLLIN}, 1, -1))
PLACE(wait_epoll, 10, epoll_wait(empty_epoll, &(struct epoll_event){0}, 1, -1))
PLACE(fault, 2, touch(missing_page))

struct place {
	const char *name;
	int depth;
	void *(*thread)(void *);
	struct ids tids;
};

#define ROW(name, depth) {#name, depth, thread_##name, {0}}

static struct place places[] = {
	ROW(wait_cond, 1),      ROW(lock_mutex, 2),  ROW(wait_sem, 3),
	ROW(join_thread, 4),    ROW(sleep_relative, 5), ROW(sleep_until, 6),
	ROW(read_pipe, 100),    ROW(receive_socket, 8), ROW(poll_one, 9),
	ROW(wait_epoll, 10),
};
enum { PLACES = sizeof(places) / sizeof(places[0]) };

static struct place fault_place = ROW(fault, 2);

/* Returns the tid once the thread has said it. */
static pid_t start(void *(*routine)(void *), pthread_t *thread)
{
	pthread_attr_t small;
	pid_t tid;

	need_zero(pthread_attr_init(&small), "pthread_attr_init");
	need_zero(pthread_attr_setstacksize(&small, STACK), "pthread_attr_setstacksize");
	need_zero(pthread_create(thread, &small, routine, NULL), "pthread_create");
	while (!(tid = atomic_exchange(&started_tid, 0)))
		sched_yield();
	return tid;
}

/* The kernel shows "running", or what system call a thread is blocked in, which
 * is -1 for a page fault. */
static void await_blocked(pid_t tid, bool in_call)
{
	char path[64], text[16];

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	for (;;) {
		int fd = (int)need(open(path, O_RDONLY | O_CLOEXEC), path);
		long size = need(read(fd, text, sizeof(text) - 1), path);

		close(fd);
		text[size] = 0;
		if (in_call ? text[0] >= '0' && text[0] <= '9' : text[0] == '-')
			return;
		sched_yield();
	}
}

static void park(struct place *place)
{
	pthread_t thread;
	pid_t tid = start(place->thread, &thread);

	await_blocked(tid, true);
	note(&place->tids, tid);
	if (place == &places[0])
		joinable[atomic_fetch_add(&joinables, 1)] = thread;
}

static void print_place(const struct place *place)
{
	printf("{\"chain\":[%s\"%s\",", place == &fault_place ? "\"touch\"," : "", place->name);
	for (int i = 0; i < place->depth; i++)
		printf("\"inner_%s\",", place->name);
	printf("\"thread_%s\"],", place->name);
	print_ids("tids", &place->tids);
	printf("}");
}

static void park_everywhere(long count)
{
	for (int i = 0; i < PLACES; i++)
		for (long n = 0; n < count; n++)
			park(&places[i]);
	printf("{\"places\":[");
	for (int i = 0; i < PLACES; i++) {
		printf(i ? "," : "");
		print_place(&places[i]);
	}
	printf("]}\n");
}

static void park_in_fault(void)
{
	struct uffdio_api api = {.api = UFFD_API};
	struct uffd_msg message;
	pthread_t thread;
	int fd = (int)need(syscall(SYS_userfaultfd, O_CLOEXEC), "userfaultfd");
	long size = sysconf(_SC_PAGESIZE);

	missing_page = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (missing_page == MAP_FAILED)
		die("mmap");
	struct uffdio_register missing = {
		.range = {.start = (unsigned long)missing_page, .len = (unsigned long)size},
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	need(ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
	need(ioctl(fd, UFFDIO_REGISTER, &missing), "UFFDIO_REGISTER");
	pid_t tid = start(fault_place.thread, &thread);
	need(read(fd, &message, sizeof(message)), "read userfaultfd");
	await_blocked(tid, false);
	note(&fault_place.tids, tid);
	printf("{\"places\":[");
	print_place(&fault_place);
	printf("]}\n");
}

static volatile unsigned long spins;

static void *thread_busy(void *unused)
{
	say_started("busy");
	for (;;)
		spins++;
	return unused;
}

SITE void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
	KEEP_FRAME();
}

/* Frames as large as right's, and larger than a page together: only what the
 * kernel counts tells a nap in one from a nap in the other. */
SITE void left(unsigned more)
{
	PAD(400);
	if (more)
		left(more - 1);
	else
		nap();
	KEEP_FRAME();
}

SITE void right(unsigned more)
{
	PAD(400);
	if (more)
		right(more - 1);
	else
		nap();
	KEEP_FRAME();
}

static void *thread_churn(void *unused)
{
	unsigned seed = (unsigned)syscall(SYS_gettid);

	say_started("churn");
	for (;;) {
		unsigned random = (unsigned)rand_r(&seed);

		(random & 64 ? left : right)(random & 1 ? 5 : 20);
	}
	return unused;
}

static void start_moving(void *(*routine)(void *), long count)
{
	static struct ids tids;
	pthread_t thread;

	tids.count = 0;
	for (long n = 0; n < count; n++)
		note(&tids, start(routine, &thread));
	printf("{");
	print_ids("tids", &tids);
	printf("}\n");
}

/* What a reader of this process could slow down: a system call and
 * computation, or changes of the address space. */
static void call(void)
{
	need(getppid(), "getppid");
	for (int i = 0; i < 1000; i++)
		spins++;
}

static void remap(void)
{
	size_t size = 16 * 4096;
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < size; i += 4096)
		memory[i] = 1;
	need(munmap(memory, size), "munmap");
}

static double now_ns(void)
{
	struct timespec time;

	need(clock_gettime(CLOCK_MONOTONIC, &time), "clock_gettime");
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void loop(void (*work)(void), long count)
{
	double begin = now_ns();

	for (long n = 0; n < count; n++)
		work();
	printf("{\"ns_per_op\":%.1f}\n", (now_ns() - begin) / (double)count);
}

int main(void)
{
	struct command command;

	need(pipe(empty_pipe), "pipe");
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, silent_socket), "socketpair");
	empty_epoll = (int)need(epoll_create1(0), "epoll_create1");
	need(sem_init(&semaphore, 0, 0), "sem_init");
	pthread_mutex_lock(&held);
	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "go"))
			park_everywhere(command.count);
		else if (is_verb(&command, "fault"))
			park_in_fault();
		else if (is_verb(&command, "busy"))
			start_moving(thread_busy, command.count);
		else if (is_verb(&command, "churn"))
			start_moving(thread_churn, command.count);
		else if (is_verb(&command, "call"))
			loop(call, command.count);
		else if (is_verb(&command, "remap"))
			loop(remap, command.count);
		else
			unknown_verb(&command);
	}
	return 0;
}
