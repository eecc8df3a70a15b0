/*
 * pools WAY: a server that answers requests by way of threads.
 *
 * Protocol in program.h. `go N` lets a client in another process make N
 * requests, each on a connection of its own, and returns when they have been
 * answered; `end N` ends N threads of way burst. Prints, since the
 * start:
 *   {"way":"..","requests":N,"threads":N,"thread_tids":[..]}
 *
 *   way          creates threads in     which are
 *   fixed        grow_pool              WORKERS at most, and wait for work
 *   per-request  start_request_pool     PER_REQUEST more for each request: the leak
 *   burst        start_request_thread   one for each request, until `end`
 */
#include "client.h"

enum { WORKERS = 8, PER_REQUEST = 2 };

/* One queue of accepted connections for each pool; a pool is never freed. */
struct pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int queue[64];
	int queued, workers, leaving;
};

static struct pool *common;
static struct ids threads;
static long requests;

static pthread_mutex_t answered_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answered_changed = PTHREAD_COND_INITIALIZER;
static long answered;

static void answer(int fd)
{
	char request[16];

	need(recv(fd, request, sizeof(request), 0), "recv");
	need(send(fd, "done\n", 5, MSG_NOSIGNAL), "send");
	close(fd);
	pthread_mutex_lock(&answered_lock);
	answered++;
	pthread_cond_signal(&answered_changed);
	pthread_mutex_unlock(&answered_lock);
}

/* -1 when the worker is to leave. */
static __attribute__((noipa)) int await_request(struct pool *pool)
{
	int fd = -1;

	pthread_mutex_lock(&pool->lock);
	while (!pool->queued && !pool->leaving)
		pthread_cond_wait(&pool->changed, &pool->lock);
	if (pool->queued)
		fd = pool->queue[--pool->queued];
	else
		pool->leaving--;
	pthread_mutex_unlock(&pool->lock);
	return fd;
}

static void *work(void *pool)
{
	int fd;

	pthread_setname_np(pthread_self(), "pool-worker");
	announce();
	while ((fd = await_request(pool)) >= 0)
		answer(fd);
	return NULL;
}

static struct pool *new_pool(void)
{
	struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		die("calloc");
	need_zero(pthread_mutex_init(&pool->lock, NULL), "pthread_mutex_init");
	need_zero(pthread_cond_init(&pool->changed, NULL), "pthread_cond_init");
	return pool;
}

static void submit(struct pool *pool, int fd)
{
	pthread_mutex_lock(&pool->lock);
	pool->queue[pool->queued++] = fd;
	pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

/* Like Java's ThreadPoolExecutor: a worker for each task until there are enough,
 * idle ones or not. */
SITE void grow_pool(struct pool *pool)
{
	pthread_t worker;

	if (pool->workers == WORKERS)
		return;
	pool->workers++;
	need_zero(pthread_create(&worker, NULL, work, pool), "pthread_create");
	note(&threads, await_tid());
}

/* The bug: a pool for each request, and none is ever shut down. */
SITE void start_request_pool(struct pool *pool)
{
	for (; pool->workers < PER_REQUEST; pool->workers++) {
		pthread_t worker;

		need_zero(pthread_create(&worker, NULL, work, pool), "pthread_create");
		note(&threads, await_tid());
	}
}

SITE void start_request_thread(struct pool *pool)
{
	pthread_t worker;

	pool->workers++;
	need_zero(pthread_create(&worker, NULL, work, pool), "pthread_create");
	need_zero(pthread_detach(worker), "pthread_detach");
	note(&threads, await_tid());
}

static void serve_fixed(int fd)
{
	grow_pool(common);
	submit(common, fd);
}

static void serve_per_request(int fd)
{
	struct pool *pool = new_pool();

	start_request_pool(pool);
	submit(pool, fd);
}

static void serve_burst(int fd)
{
	start_request_thread(common);
	submit(common, fd);
}

static const struct {
	const char *name;
	void (*serve)(int fd);
} ways[] = {
	{"fixed", serve_fixed},
	{"per-request", serve_per_request},
	{"burst", serve_burst},
};

static int find_way(const char *name)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++)
		if (name && strcmp(ways[way].name, name) == 0)
			return way;
	fprintf(stderr, "usage: pools WAY\n");
	exit(2);
}

static void await_answered(void)
{
	pthread_mutex_lock(&answered_lock);
	while (answered < requests)
		pthread_cond_wait(&answered_changed, &answered_lock);
	pthread_mutex_unlock(&answered_lock);
}

static void serve(long count, void (*serve_one)(int))
{
	order_requests(count);
	requests += count;
	while (count-- > 0)
		serve_one((int)need(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept"));
	await_answered();
}

static bool gone(pid_t tid)
{
	return syscall(SYS_tgkill, getpid(), tid, 0) != 0;
}

/* Which of the waiting workers leave is the scheduler's choice. */
static void end_workers(int count)
{
	int left = threads.count - count;

	pthread_mutex_lock(&common->lock);
	common->leaving = count;
	pthread_cond_broadcast(&common->changed);
	pthread_mutex_unlock(&common->lock);
	while (threads.count > left) {
		for (int i = threads.count - 1; i >= 0; i--)
			if (gone((pid_t)threads.id[i]))
				threads.id[i] = threads.id[--threads.count];
		sched_yield();
	}
}

static void print_truth(const char *way)
{
	printf("{\"way\":\"%s\",\"requests\":%ld,\"threads\":%d,", way, requests, threads.count);
	print_ids("thread_tids", &threads), printf("}\n");
}

int main(int argc, char **argv)
{
	int way = find_way(argc == 2 ? argv[1] : NULL);
	struct command command;

	start_listener();
	start_client();
	common = new_pool();
	ready();
	while (next_command(&command)) {
		if (is_verb(&command, "go"))
			serve(command.count, ways[way].serve);
		else if (is_verb(&command, "end") && ways[way].serve == serve_burst)
			end_workers((int)(command.count < threads.count ? command.count : threads.count));
		else
			unknown_verb(&command);
		print_truth(ways[way].name);
	}
	return 0;
}
