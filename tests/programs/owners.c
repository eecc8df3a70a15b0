/*
 * owners WAY: leaves connections in CLOSE_WAIT that more or other processes hold
 * than the one that connected, or none.
 *
 * Protocol in program.h. `go N` does it N times. Prints, since the start:
 *   {"way":"..","close_wait":N,"sockets":[{"local":"127.0.0.1:1","remote":
 *    "127.0.0.1:2","unread":N,"holders":[{"pid":N,"fd":N},..],
 *    "listeners":[{..}],"peer":{..} or null},..]}
 *
 *   way              holders
 *   two-descriptors  this process, twice
 *   both             this process, and a child that inherited it
 *   child            only a child that inherited it
 *   exec             only `sleep`, executed by a child: no close-on-exec
 *   passed           only a child that got it by SCM_RIGHTS
 *   passed-both      this process, and such a child
 *   peer             this process; the other end only shut down, and is open
 *   not-accepted     none: nobody accepts; the listener is this process's
 *   prefork          none: nobody accepts; the listener is ours and a child's
 *
 * connect stands in leak_*, for the last two in visit, which is not to blame.
 */
#include "loopback.h"
#include "rights.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

enum { MAX_SOCKETS = 1000, MAX_HOLDERS = 2 };

struct holder {
	pid_t pid;
	int fd;
};

struct leak {
	int local, remote; /* ports */
	int unread;
	struct holder holders[MAX_HOLDERS], listeners[MAX_HOLDERS], peer;
	int holder_count, listener_count;
};

static struct leak leaks[MAX_SOCKETS];
static int leak_count;
static pid_t prefork_child;

static struct leak *new_leak(int local, int remote)
{
	if (leak_count == MAX_SOCKETS)
		errno = EMFILE, die("leaks");
	leaks[leak_count] = (struct leak){.local = local, .remote = remote};
	return &leaks[leak_count++];
}

static struct leak *note_leak(int fd)
{
	return new_leak(local_port(fd), ntohs(listener_address.sin_port));
}

static void held_by(struct leak *leak, pid_t pid, int fd)
{
	leak->holders[leak->holder_count++] = (struct holder){pid, fd};
}

static _Noreturn void stay(void)
{
	for (;;)
		pause();
}

/* In a child, which would hold what was leaked before too. */
static void keep_only(int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd > 3)
		need(close_range(3, (unsigned)fd - 1, 0), "close_range");
	need(close_range((unsigned)fd + 1, ~0U, 0), "close_range");
}

/* A pipe's read end returns when the other end is closed: by keep_only, or by
 * the exec. */
static void await_closed(int ends[2])
{
	char byte;

	close(ends[1]);
	need(read(ends[0], &byte, 1), "read");
	close(ends[0]);
}

static pid_t fork_holder(int inherited)
{
	int ends[2];

	need(pipe2(ends, O_CLOEXEC), "pipe2");
	pid_t child = (pid_t)need(fork(), "fork");
	if (child == 0) {
		keep_only(inherited);
		stay();
	}
	await_closed(ends);
	return child;
}

static int new_socket(void)
{
	return (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

SITE void leak_twice(void)
{
	int fd = new_socket();

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	struct leak *leak = note_leak(fd);
	held_by(leak, getpid(), fd);
	held_by(leak, getpid(), (int)need(dup(fd), "dup"));
}

SITE void leak_both(void)
{
	int fd = new_socket();

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	pid_t child = fork_holder(fd);
	hang_up_on(fd);
	struct leak *leak = note_leak(fd);
	held_by(leak, getpid(), fd);
	held_by(leak, child, fd);
}

SITE void leak_to_child(void)
{
	int fd = new_socket();

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	pid_t child = fork_holder(fd);
	hang_up_on(fd);
	held_by(note_leak(fd), child, fd);
	close(fd);
}

static pid_t exec_holder(int inherited)
{
	int ends[2];

	need(pipe2(ends, O_CLOEXEC), "pipe2");
	pid_t child = (pid_t)need(fork(), "fork");
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		need(fcntl(inherited, F_SETFD, 0), "F_SETFD");
		execl("/bin/sleep", "sleep", "100000", NULL);
		_exit(127);
	}
	await_closed(ends);
	return child;
}

SITE void leak_to_exec(void)
{
	int fd = new_socket();

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	pid_t child = exec_holder(fd);
	hang_up_on(fd);
	held_by(note_leak(fd), child, fd);
	close(fd);
}

/* -- SCM_RIGHTS ------------------------------------------------------------------ */

static _Noreturn void receive_and_stay(int over)
{
	keep_only(over);
	int fd = receive_fd(over);
	need(write(over, &fd, sizeof(fd)), "write");
	stay();
}

/* The receiver is forked before there is a connection to inherit. */
static struct holder start_receiver(int *over)
{
	int ends[2];

	need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), "socketpair");
	pid_t child = (pid_t)need(fork(), "fork");
	if (child == 0)
		receive_and_stay(ends[1]);
	close(ends[1]);
	*over = ends[0];
	return (struct holder){child, -1};
}

static struct holder pass(int fd, struct holder receiver, int over)
{
	send_fd(over, fd);
	need(read(over, &receiver.fd, sizeof(receiver.fd)), "read");
	close(over);
	return receiver;
}

SITE void leak_passed(void)
{
	int over, fd;
	struct holder receiver = start_receiver(&over);

	fd = new_socket();
	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	receiver = pass(fd, receiver, over);
	hang_up_on(fd);
	held_by(note_leak(fd), receiver.pid, receiver.fd);
	close(fd);
}

SITE void leak_passed_both(void)
{
	int over, fd;
	struct holder receiver = start_receiver(&over);

	fd = new_socket();
	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	receiver = pass(fd, receiver, over);
	hang_up_on(fd);
	struct leak *leak = note_leak(fd);
	held_by(leak, getpid(), fd);
	held_by(leak, receiver.pid, receiver.fd);
}

/* -- the other end ------------------------------------------------------------------ */

SITE void leak_with_peer(void)
{
	int fd = new_socket();

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	int peer = (int)need(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");
	need(shutdown(peer, SHUT_WR), "shutdown");
	await_close_wait(fd);
	struct leak *leak = note_leak(fd);
	held_by(leak, getpid(), fd);
	leak->peer = (struct holder){getpid(), peer};
}

/* FIN_WAIT2: the other end has acknowledged the FIN, and so is in CLOSE_WAIT. */
static void await_acknowledged_fin(int fd)
{
	while (tcp_state(fd) != TCP_FIN_WAIT2)
		sched_yield();
}

SITE void visit(void)
{
	int fd = new_socket();

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	need(send(fd, "hello", 5, MSG_NOSIGNAL), "send");
	need(shutdown(fd, SHUT_WR), "shutdown");
	await_acknowledged_fin(fd);
	struct leak *leak = new_leak(ntohs(listener_address.sin_port), local_port(fd));
	leak->unread = 5;
	leak->listeners[leak->listener_count++] = (struct holder){getpid(), listener};
	if (prefork_child)
		leak->listeners[leak->listener_count++] = (struct holder){prefork_child, listener};
	close(fd);
}

static void visit_prefork(void)
{
	if (!prefork_child)
		prefork_child = fork_holder(listener);
	visit();
}

static const struct {
	const char *name;
	void (*act)(void);
} ways[] = {
	{"two-descriptors", leak_twice}, {"both", leak_both},
	{"child", leak_to_child},	 {"exec", leak_to_exec},
	{"passed", leak_passed},	 {"passed-both", leak_passed_both},
	{"peer", leak_with_peer},	 {"not-accepted", visit},
	{"prefork", visit_prefork},
};

static int find_way(const char *name)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++)
		if (name && strcmp(ways[way].name, name) == 0)
			return way;
	fprintf(stderr, "usage: owners WAY\n");
	exit(2);
}

static void print_holder(const struct holder *holder)
{
	printf("{\"pid\":%d,\"fd\":%d}", holder->pid, holder->fd);
}

static void print_holders(const char *name, const struct holder *holders, int count)
{
	printf("\"%s\":[", name);
	for (int i = 0; i < count; i++) {
		printf("%s", i ? "," : "");
		print_holder(&holders[i]);
	}
	printf("],");
}

static void print_leak(const struct leak *leak)
{
	printf("{\"local\":\"127.0.0.1:%d\",\"remote\":\"127.0.0.1:%d\",\"unread\":%d,",
	       leak->local, leak->remote, leak->unread);
	print_holders("holders", leak->holders, leak->holder_count);
	print_holders("listeners", leak->listeners, leak->listener_count);
	printf("\"peer\":");
	if (leak->peer.pid)
		print_holder(&leak->peer);
	else
		printf("null");
	printf("}");
}

int main(int argc, char **argv)
{
	int way = find_way(argc == 2 ? argv[1] : NULL);
	struct command command;

	start_listener();
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		for (long n = 0; n < command.count; n++)
			ways[way].act();
		printf("{\"way\":\"%s\",\"close_wait\":%d,\"sockets\":[", ways[way].name, leak_count);
		for (int i = 0; i < leak_count; i++) {
			printf("%s", i ? "," : "");
			print_leak(&leaks[i]);
		}
		printf("]}\n");
	}
	return 0;
}
