/*
 * demo [SECONDS]: the service that `make demo` traces. Unlike the other
 * programs here it takes no commands: it ticks once a second, until SECONDS
 * have passed or it is killed, and on every tick leaks one of each kind.
 *
 *   to blame                                  well-behaved twin
 *   start_analytics_pool  thread never ends   start_worker_pool  4, once
 *   flush_metrics_async   thread not joined   resolve_name       joined
 *   run_healthcheck       child not reaped    rotate_logs        reaped
 *   fetch_config          CLOSE_WAIT          ping_backend       closed
 */
#include "loopback.h"

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

enum { WORKERS = 4 };

static pthread_mutex_t queue_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queue_filled = PTHREAD_COND_INITIALIZER;

/* A worker whose queue nobody fills. */
static void *await_work(void *name)
{
	pthread_setname_np(pthread_self(), name);
	pthread_mutex_lock(&queue_lock);
	for (;;)
		pthread_cond_wait(&queue_filled, &queue_lock);
	return NULL;
}

static void *do_and_end(void *name)
{
	pthread_setname_np(pthread_self(), name);
	return NULL;
}

SITE void start_worker_pool(void)
{
	for (int i = 0; i < WORKERS; i++) {
		pthread_t worker;

		need_zero(pthread_create(&worker, NULL, await_work, "worker"), "pthread_create");
	}
}

/* The bug: a new pool for each report, and none is ever shut down. */
SITE void start_analytics_pool(void)
{
	pthread_t analyst;

	need_zero(pthread_create(&analyst, NULL, await_work, "analytics"), "pthread_create");
}

/* The bug: fire and forget, without detaching. */
SITE void flush_metrics_async(void)
{
	pthread_t flusher;

	need_zero(pthread_create(&flusher, NULL, do_and_end, "metrics-flush"), "pthread_create");
}

SITE void resolve_name(void)
{
	pthread_t resolver;

	need_zero(pthread_create(&resolver, NULL, do_and_end, "resolver"), "pthread_create");
	pthread_join(resolver, NULL);
}

/* The bug: nobody ever asks how the check went. */
SITE void run_healthcheck(void)
{
	pid_t check = (pid_t)need(fork(), "fork");

	if (check == 0) {
		execlp("true", "healthcheck", NULL);
		_exit(127);
	}
}

SITE void rotate_logs(void)
{
	pid_t rotation = (pid_t)need(fork(), "fork");

	if (rotation == 0) {
		execlp("true", "logrotate", NULL);
		_exit(127);
	}
	reap(rotation);
}

/* Asks the backend, which answers and hangs up. */
static void ask(int fd, const char *question)
{
	char answer[64];

	need(send(fd, question, strlen(question), MSG_NOSIGNAL), "send");
	need(recv(fd, answer, sizeof(answer), 0), "recv");
}

/* The bug: the answer is read, the connection forgotten. */
SITE void fetch_config(void)
{
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	ask(fd, "config\n");
}

SITE void ping_backend(void)
{
	int fd = (int)need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");

	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	ask(fd, "ping\n");
	close(fd);
}

SITE void run_maintenance(void)
{
	rotate_logs();
	run_healthcheck();
	flush_metrics_async();
	KEEP_FRAME();
}

SITE void handle_request(void)
{
	resolve_name();
	ping_backend();
	fetch_config();
	start_analytics_pool();
	KEEP_FRAME();
}

static _Noreturn void serve_backend(void)
{
	char question[64];

	for (;;) {
		int client = (int)need(accept(listener, NULL, NULL), "accept");

		need(recv(client, question, sizeof(question), 0), "recv");
		need(send(client, "ok\n", 3, MSG_NOSIGNAL), "send");
		close(client);
	}
}

/* A process of its own, as a backend is; it goes when the service goes. */
static void start_backend(void)
{
	if (need(fork(), "fork") == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_backend();
	}
	close(listener);
}

int main(int argc, char **argv)
{
	long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : -1;
	struct timespec tick;

	start_listener();
	start_backend();
	start_worker_pool();
	need(clock_gettime(CLOCK_MONOTONIC, &tick), "clock_gettime");
	for (long second = 0; second != seconds; second++) {
		handle_request();
		run_maintenance();
		tick.tv_sec++;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &tick, NULL);
	}
	return 0;
}
