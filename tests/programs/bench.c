/*
 * bench: tight loops, made from a call depth of about 20 as in a real program.
 *
 *   thread   pthread_create, join
 *   fork     fork, _exit, waitpid
 *   tcp      loopback connect, accept, 16 bytes, close
 *   recv     16 bytes sent and received on one living connection
 *   getppid  a system call that no hook is near
 *   stat     one that does a little more
 *   capture  run the BPF program that `use ID` has named
 *   cool     the same, after touching more memory than a core's caches hold
 *   cold     the same, after touching more than any cache holds
 *   leak     forget a thread, a child and a connection that the peer has closed
 *
 * Protocol: it prints `ready PID`; a command is `LOOP N`, and makes N
 * operations. Prints of each:
 *   {"loop":"..","n":N,"ns_per_op":x.x,"cpu_ns_per_op":x.x}
 * The second is the processor time of the program and its children. It is what
 * can be compared where other programs compete for the processors.
 */
#include "loopback.h"

#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

enum { DEPTH = 20, MESSAGE = 16, FLUSH_CORE = 4 << 20, FLUSH = 64 << 20 };

static char message[MESSAGE];
static int living_client, living_server;

static void *ends_at_once(void *unused)
{
	return unused;
}

SITE void create_and_join(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	pthread_join(thread, NULL);
}

SITE void fork_and_wait(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	reap(pid);
}

static void pass_message(int from, int to)
{
	char received[MESSAGE];

	need(send(from, message, MESSAGE, 0), "send");
	need(recv(to, received, MESSAGE, MSG_WAITALL), "recv");
}

/* The server hangs up and the client resets: no TIME_WAIT, so that the last
 * connection costs what the first one did. */
SITE void connect_and_close(void)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	int client = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(client, listener_at(), sizeof(listener_address)), "connect");
	int accepted = (int)need(accept(listener, NULL, NULL), "accept");
	pass_message(client, accepted);
	close(accepted);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(client);
}

SITE void send_and_receive(void)
{
	pass_message(living_client, living_server);
}

SITE void get_parent(void)
{
	syscall(SYS_getppid);
}

SITE void look_at_root(void)
{
	struct stat root;

	need(stat("/", &root), "stat");
}

static int measured = -1; /* a BPF program */

static void use_program(long id)
{
	union bpf_attr attr = {.prog_id = (__u32)id};

	measured = (int)need(syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr)), "open program");
}

SITE void capture(void)
{
	union bpf_attr attr = {.test.prog_fd = (__u32)measured};

	need(syscall(SYS_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr)), "run program");
}

static void touch(size_t size)
{
	static volatile char *memory;

	if (!memory) {
		memory = mmap(NULL, FLUSH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (memory == MAP_FAILED)
			die("mmap");
	}
	for (size_t i = 0; i < size; i += 64)
		memory[i]++;
}

SITE void touch_some_and_capture(void)
{
	touch(FLUSH_CORE);
	capture();
}

SITE void touch_all_and_capture(void)
{
	touch(FLUSH);
	capture();
}

SITE void leak_thread(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, ends_at_once, NULL), "pthread_create");
	KEEP_FRAME();
}

SITE void leak_child(void)
{
	pid_t pid = (pid_t)need(fork(), "fork");

	if (pid == 0)
		_exit(0);
	await_exit(pid);
}

SITE void leak_socket(void)
{
	int client = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(client, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(client);
}

SITE void leak(void)
{
	leak_thread();
	leak_child();
	leak_socket();
	KEEP_FRAME();
}

static const struct loop {
	const char *name;
	void (*run)(void);
} loops[] = {
	{"thread", create_and_join},
	{"fork", fork_and_wait},
	{"tcp", connect_and_close},
	{"recv", send_and_receive},
	{"getppid", get_parent},
	{"stat", look_at_root},
	{"capture", capture},
	{"cool", touch_some_and_capture},
	{"cold", touch_all_and_capture},
	{"leak", leak},
};

static double now_ns(void)
{
	struct timespec time;

	need(clock_gettime(CLOCK_MONOTONIC, &time), "clock_gettime");
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double used_ns(int whose)
{
	struct rusage usage;

	need(getrusage(whose, &usage), "getrusage");
	return ((double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec) * 1e9 +
	       ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) * 1e3;
}

static double cpu_ns(void)
{
	return used_ns(RUSAGE_SELF) + used_ns(RUSAGE_CHILDREN);
}

SITE void repeat(int depth, void (*run)(void), long count)
{
	if (depth > 1)
		repeat(depth - 1, run, count);
	else
		for (long n = 0; n < count; n++)
			run();
	KEEP_FRAME();
}

static const struct loop *find_loop(const struct command *command)
{
	for (int i = 0; i < (int)(sizeof(loops) / sizeof(loops[0])); i++)
		if (is_verb(command, loops[i].name))
			return &loops[i];
	unknown_verb(command);
}

static void open_living_connection(void)
{
	living_client = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
	need(connect(living_client, listener_at(), sizeof(listener_address)), "connect");
	living_server = (int)need(accept(listener, NULL, NULL), "accept");
}

int main(void)
{
	struct command command;

	start_listener();
	open_living_connection();
	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "use")) {
			use_program(command.count);
			continue;
		}
		const struct loop *loop = find_loop(&command);
		double cpu = cpu_ns(), start = now_ns(), count = (double)command.count;

		repeat(DEPTH - 2, loop->run, command.count); /* main and run make it DEPTH */
		double end = now_ns();
		printf("{\"loop\":\"%s\",\"n\":%ld,\"ns_per_op\":%.1f,\"cpu_ns_per_op\":%.1f}\n",
		       loop->name, command.count, (end - start) / count, (cpu_ns() - cpu) / count);
	}
	return 0;
}
