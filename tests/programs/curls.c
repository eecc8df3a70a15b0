/*
 * curls WAY [URL]: libcurl, and what it keeps when its handles are kept.
 *
 * Protocol in program.h. `go N` makes N transfers. Prints, since the start:
 *   {"way":"..","close_wait":N,"ports":[..],"threads":N,"thread_tids":[..]}
 *
 *   way      does                                                      to blame
 *   kept     N transfers of one multi handle, from URL, whose server   leak_multi
 *            hangs up; the handles, and so the connections, are kept
 *   cleaned  the same, and cleans up                                   nobody
 *   threads  N threads, each in a transfer from a server that never    leak_transfer
 *            answers, without a timeout
 */
#include "loopback.h"

#include <curl/curl.h>

enum { MAX_TRANSFERS = 256 };

static struct ids ports, threads;
static const char *url;

static void need_easy(CURLcode code, const char *what)
{
	if (code == CURLE_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, curl_easy_strerror(code));
	exit(1);
}

static void need_multi(CURLMcode code, const char *what)
{
	if (code == CURLM_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, curl_multi_strerror(code));
	exit(1);
}

static size_t discard(char *data, size_t size, size_t count, void *unused)
{
	(void)data, (void)unused;
	return size * count;
}

static CURL *new_transfer(void)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		die("curl_easy_init");
	need_easy(curl_easy_setopt(easy, CURLOPT_URL, url), "URL");
	need_easy(curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L), "FAILONERROR");
	need_easy(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, discard), "WRITEFUNCTION");
	need_easy(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L), "NOSIGNAL");
	return easy;
}

static void check_transfers(CURLM *multi, long count)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left))) {
		need_easy(message->data.result, url);
		count--;
	}
	if (count)
		errno = EIO, die("transfers that did not finish");
}

static CURLM *new_multi(CURL **easy, long count)
{
	CURLM *multi = curl_multi_init();

	if (!multi || count > MAX_TRANSFERS)
		errno = ENOMEM, die("curl_multi_init");
	for (long i = 0; i < count; i++) {
		easy[i] = new_transfer();
		need_multi(curl_multi_add_handle(multi, easy[i]), "curl_multi_add_handle");
	}
	return multi;
}

/* All at once, so each transfer needs a connection of its own. */
SITE void leak_multi(CURLM *multi)
{
	int running = 1;

	while (running) {
		need_multi(curl_multi_perform(multi, &running), "curl_multi_perform");
		if (running)
			need_multi(curl_multi_poll(multi, NULL, 0, 1000, NULL), "curl_multi_poll");
	}
}

SITE void finish_multi(CURLM *multi)
{
	int running = 1;

	while (running) {
		need_multi(curl_multi_perform(multi, &running), "curl_multi_perform");
		if (running)
			need_multi(curl_multi_poll(multi, NULL, 0, 1000, NULL), "curl_multi_poll");
	}
}

static void await_hang_up(CURL *easy)
{
	curl_socket_t fd;

	need_easy(curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd), "ACTIVESOCKET");
	await_close_wait(fd);
	note(&ports, local_port(fd));
}

static void keep(long count)
{
	CURL *easy[MAX_TRANSFERS];
	CURLM *multi = new_multi(easy, count);

	leak_multi(multi);
	check_transfers(multi, count);
	for (long i = 0; i < count; i++)
		await_hang_up(easy[i]);
}

static void clean(long count)
{
	CURL *easy[MAX_TRANSFERS];
	CURLM *multi = new_multi(easy, count);

	finish_multi(multi);
	check_transfers(multi, count);
	for (long i = 0; i < count; i++) {
		need_multi(curl_multi_remove_handle(multi, easy[i]), "curl_multi_remove_handle");
		curl_easy_cleanup(easy[i]);
	}
	need_multi(curl_multi_cleanup(multi), "curl_multi_cleanup");
}

/* Its own server: it takes the request and says nothing. */
SITE void await_answer(CURL *easy)
{
	need_easy(curl_easy_perform(easy), url);
	KEEP_FRAME();
}

static void *transfer(void *unused)
{
	pthread_setname_np(pthread_self(), "transfer");
	announce();
	await_answer(new_transfer());
	return unused;
}

static void take_request(void)
{
	char request[256];
	int fd = (int)need(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept");

	need(recv(fd, request, sizeof(request), 0), "recv");
}

SITE void leak_transfer(void)
{
	pthread_t thread;

	need_zero(pthread_create(&thread, NULL, transfer, NULL), "pthread_create");
	note(&threads, await_tid());
	take_request();
}

static void hang(long count)
{
	static char own[64];

	snprintf(own, sizeof(own), "http://127.0.0.1:%d/", ntohs(listener_address.sin_port));
	url = own;
	while (count-- > 0)
		leak_transfer();
}

static const struct {
	const char *name;
	void (*act)(long count);
} ways[] = {{"kept", keep}, {"cleaned", clean}, {"threads", hang}};

static int find_way(const char *name)
{
	for (int way = 0; way < (int)(sizeof(ways) / sizeof(ways[0])); way++)
		if (name && strcmp(ways[way].name, name) == 0)
			return way;
	fprintf(stderr, "usage: curls WAY [URL]\n");
	exit(2);
}

static void print_truth(const char *way)
{
	printf("{\"way\":\"%s\",\"close_wait\":%d,", way, ports.count);
	print_ids("ports", &ports);
	printf(",\"threads\":%d,", threads.count);
	print_ids("thread_tids", &threads), printf("}\n");
}

int main(int argc, char **argv)
{
	int way = find_way(argc > 1 ? argv[1] : NULL);
	struct command command;

	url = argc > 2 ? argv[2] : NULL;
	need_easy(curl_global_init(CURL_GLOBAL_DEFAULT), "curl_global_init");
	start_listener();
	ready();
	while (next_command(&command)) {
		if (!is_verb(&command, "go"))
			unknown_verb(&command);
		ways[way].act(command.count);
		print_truth(ways[way].name);
	}
	/* Not by returning: exit handlers of libraries run under the threads. */
	_exit(0);
}
