/*
 * policies SECONDS: an HTTP client that forgets the responses it may not read. The
 * server, in a process of its own, refuses /policy with status 403, and hangs up; the
 * connection stays in CLOSE_WAIT until its handle is cleaned up. A pool allows 1,024:
 * trace it with --limit close-wait=1024.
 *
 *   to blame                            well-behaved neighbour
 *   fetch_policy  returns early on 403  fetch_config  always cleans up
 */
#include "../loopback.h"
#include "tick.h"

#include <curl/curl.h>
#include <signal.h>
#include <sys/prctl.h>

enum { MAX_CONNECTIONS = 1024 };

static int leased;

static size_t discard(char *data, size_t size, size_t count, void *unused)
{
	(void)data, (void)unused;
	return size * count;
}

/* A handle from the pool, with a connection of its own. */
static CURL *lease(const char *path)
{
	CURL *handle = curl_easy_init();
	char url[64];

	if (leased == MAX_CONNECTIONS || !handle) {
		fprintf(stderr, "connection pool exhausted\n");
		exit(1);
	}
	leased++;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", ntohs(listener_address.sin_port), path);
	curl_easy_setopt(handle, CURLOPT_URL, url);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, discard);
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	return handle;
}

static void release(CURL *handle)
{
	curl_easy_cleanup(handle);
	leased--;
}

static long status(CURL *handle)
{
	long code = 0;

	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &code);
	return code;
}

/* The bug: what is refused is not released. */
SITE bool fetch_policy(void)
{
	CURL *handle = lease("/policy");

	if (curl_easy_perform(handle) != CURLE_OK || status(handle) == 403) /* to blame */
		return false;
	release(handle);
	return true;
}

SITE bool fetch_config(void)
{
	CURL *handle = lease("/config");
	bool ok = curl_easy_perform(handle) == CURLE_OK && status(handle) == 200;

	release(handle);
	return ok;
}

SITE void handle_request(void)
{
	if (!fetch_config() || fetch_policy()) {
		fprintf(stderr, "the server answered otherwise than it should\n");
		exit(1);
	}
	KEEP_FRAME();
}

static const char refused[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nnever\n";
static const char config[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

static _Noreturn void serve(void)
{
	char request[1024];

	for (;;) {
		int client = (int)need(accept(listener, NULL, NULL), "accept");
		const char *answer = config;

		need(recv(client, request, sizeof(request), 0), "recv");
		if (strncmp(request, "GET /policy ", 12) == 0)
			answer = refused;
		need(send(client, answer, strlen(answer), MSG_NOSIGNAL), "send");
		close(client);
	}
}

static void start_server(void)
{
	start_listener();
	if (need(fork(), "fork") == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve();
	}
	close(listener);
}

int main(int argc, char **argv)
{
	start_server();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	serve_for(argc > 1 ? argv[1] : NULL, handle_request);
	return 0;
}
