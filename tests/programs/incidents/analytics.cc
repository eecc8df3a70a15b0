// analytics SECONDS: a service whose analytics client starts a thread pool for each
// call and never shuts it down, as a client for the JVM did.
//
//   to blame                             well-behaved neighbours
//   AnalyticsClient::send  2 more,       start_render_pool  4 threads, once
//                          each call     resize             joins its thread
#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

#define SITE __attribute__((noipa))
#define KEEP_FRAME() asm volatile("" ::: "memory")

namespace acme {

constexpr auto between_requests = std::chrono::milliseconds(100);
constexpr int analytics_threads = 2, render_threads = 4;

// Threads that wait for work.
struct Pool {
	std::mutex lock;
	std::condition_variable submitted;
	int queued = 0;
	std::vector<std::thread> workers;

	void work(const char *name)
	{
		pthread_setname_np(pthread_self(), name);
		for (std::unique_lock<std::mutex> held(lock);; queued--)
			submitted.wait(held, [this] { return queued > 0; });
	}

	void submit()
	{
		std::lock_guard<std::mutex> held(lock);
		queued++;
		submitted.notify_one();
	}
};

class AnalyticsClient {
public:
	SITE void send(const char *event);
};

// The bug: a pool for one event, and nobody ever shuts it down.
void AnalyticsClient::send(const char *)
{
	auto *pool = new Pool;

	for (int i = 0; i < analytics_threads; i++)
		pool->workers.emplace_back(&Pool::work, pool, "Analytics"); // to blame
	pool->submit();
}

SITE Pool *start_render_pool()
{
	auto *pool = new Pool;

	for (int i = 0; i < render_threads; i++)
		pool->workers.emplace_back(&Pool::work, pool, "render");
	return pool;
}

SITE void resize()
{
	std::thread resizer([] {});

	resizer.join();
}

SITE void handle_request(AnalyticsClient &client, Pool &render)
{
	render.submit();
	resize();
	client.send("page viewed");
	KEEP_FRAME();
}

} // namespace acme

int main(int argc, char **argv)
{
	auto next = std::chrono::steady_clock::now();
	auto end = next + std::chrono::seconds(argc > 1 ? atol(argv[1]) : 60);
	acme::AnalyticsClient client;
	acme::Pool *render = acme::start_render_pool();

	for (; next < end; next += acme::between_requests) {
		std::this_thread::sleep_until(next);
		acme::handle_request(client, *render);
	}
	_Exit(0); // the pools' threads never end
}
