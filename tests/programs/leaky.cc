// leaky-cc KIND...: leaky.c in C++17, same protocol, arguments and JSON. The
// stacks go through a template, a lambda and std::function:
//   main > app::serve_request > app::with_retries<...> > app::refresh_cache
// then, to blame:      app::leak_child  leak_thread  leak_unjoined  leak_socket
// and, not to blame:   app::reap_child  end_thread   join_thread    close_socket
//                      app::ask_async (std::async, counted as joined)
// The site of a thread is the caller of std::thread, not libstdc++'s code,
// some of which is a template and so lies in this program.

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>

#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <iostream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#if defined(__clang__)
#define SITE __attribute__((noinline))
#else
#define SITE __attribute__((noipa))
#endif
// A last call would become a jump, and its caller leave the stack.
#define KEEP_FRAME() asm volatile("" ::: "memory")

namespace app {

struct Truth {
	std::vector<long> zombies, threads, unjoined, ports;
	int reaped = 0, ended = 0, joined = 0, closed = 0;
} truth;

int listener = -1;
sockaddr_in listener_address{};

long need(long result, const char *what)
{
	if (result < 0) {
		perror(what);
		exit(1);
	}
	return result;
}

pid_t current_tid() { return static_cast<pid_t>(syscall(SYS_gettid)); }

// Joining ends before the kernel has let go of the task.
void await_thread_gone(pid_t tid)
{
	while (syscall(SYS_tgkill, getpid(), tid, 0) == 0)
		sched_yield();
}

SITE void leak_child()
{
	auto pid = static_cast<pid_t>(need(fork(), "fork"));
	if (pid == 0)
		_exit(0);
	siginfo_t info;
	need(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), "waitid");
	truth.zombies.push_back(pid);
}

SITE void reap_child()
{
	auto pid = static_cast<pid_t>(need(fork(), "fork"));
	if (pid == 0)
		_exit(0);
	need(waitpid(pid, nullptr, 0), "waitpid");
	truth.reaped++;
}

// Detached and never told to end; the promise is how its tid gets out.
SITE void leak_thread()
{
	auto tid = std::make_shared<std::promise<pid_t>>();
	std::thread([tid] {
		std::mutex lock;
		std::condition_variable never;
		std::unique_lock<std::mutex> held(lock);
		tid->set_value(current_tid());
		for (;;)
			never.wait(held);
	}).detach();
	truth.threads.push_back(tid->get_future().get());
}

SITE void end_thread()
{
	std::promise<void> end;
	std::promise<pid_t> tid;
	std::thread thread([&] {
		tid.set_value(current_tid());
		end.get_future().wait();
	});
	pid_t id = tid.get_future().get();
	end.set_value();
	thread.join();
	await_thread_gone(id);
	truth.ended++;
}

// A std::thread cannot be destroyed unjoined, but it can be forgotten.
SITE void leak_unjoined()
{
	std::promise<pid_t> tid;
	new std::thread([&] { tid.set_value_at_thread_exit(current_tid()); });
	pid_t id = tid.get_future().get();
	await_thread_gone(id);
	truth.unjoined.push_back(id);
}

SITE void join_thread()
{
	pid_t id = 0;
	std::thread thread([&] { id = current_tid(); });
	thread.join();
	await_thread_gone(id);
	truth.joined++;
}

SITE void ask_async()
{
	pid_t id = std::async(std::launch::async, current_tid).get();
	await_thread_gone(id);
	truth.joined++;
}

// The server's side hangs up; returns when the client is in CLOSE_WAIT.
SITE void hang_up_on(int fd)
{
	close(static_cast<int>(need(accept(listener, nullptr, nullptr), "accept")));
	pollfd hangup{fd, POLLRDHUP, 0};
	need(poll(&hangup, 1, -1), "poll");
	tcp_info info{};
	do {
		socklen_t size = sizeof(info);
		need(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size), "TCP_INFO");
	} while (info.tcpi_state != TCP_CLOSE_WAIT);
}

int new_socket() { return static_cast<int>(need(socket(AF_INET, SOCK_STREAM, 0), "socket")); }

const sockaddr *listener_at() { return reinterpret_cast<const sockaddr *>(&listener_address); }

SITE void leak_socket()
{
	int fd = new_socket();
	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	sockaddr_in local{};
	socklen_t size = sizeof(local);
	need(getsockname(fd, reinterpret_cast<sockaddr *>(&local), &size), "getsockname");
	truth.ports.push_back(ntohs(local.sin_port));
}

SITE void close_socket()
{
	int fd = new_socket();
	need(connect(fd, listener_at(), sizeof(listener_address)), "connect");
	hang_up_on(fd);
	close(fd);
	truth.closed++;
}

SITE void refresh_cache(const std::string &kind)
{
	if (kind == "zombie")
		leak_child(), reap_child();
	else if (kind == "thread")
		leak_thread(), end_thread();
	else if (kind == "unjoined")
		leak_unjoined(), join_thread(), ask_async();
	else
		leak_socket(), close_socket();
	KEEP_FRAME();
}

template <typename Attempt> SITE void with_retries(int attempts, Attempt attempt)
{
	while (attempts-- > 0 && !attempt())
		;
	KEEP_FRAME();
}

SITE void serve_request(const std::string &kind)
{
	with_retries(3, std::function<bool()>([&kind] {
		refresh_cache(kind);
		return true;
	}));
	KEEP_FRAME();
}

void start_listener()
{
	socklen_t size = sizeof(listener_address);
	listener = new_socket();
	need(listen(listener, 128), "listen");
	need(getsockname(listener, reinterpret_cast<sockaddr *>(&listener_address), &size),
	     "getsockname");
	listener_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

std::string list(const std::vector<long> &ids)
{
	std::string text;
	for (long id : ids)
		text += (text.empty() ? "" : ",") + std::to_string(id);
	return "[" + text + "]";
}

void print_truth()
{
	std::cout << "{\"zombies\":" << truth.zombies.size() << ",\"threads\":" << truth.threads.size()
		  << ",\"unjoined\":" << truth.unjoined.size() << ",\"close_wait\":" << truth.ports.size()
		  << ",\"reaped\":" << truth.reaped << ",\"ended\":" << truth.ended
		  << ",\"joined\":" << truth.joined << ",\"closed\":" << truth.closed
		  << ",\"zombie_pids\":" << list(truth.zombies)
		  << ",\"thread_tids\":" << list(truth.threads)
		  << ",\"unjoined_tids\":" << list(truth.unjoined)
		  << ",\"ports\":" << list(truth.ports) << "}" << std::endl;
}

} // namespace app

int main(int argc, char **argv)
{
	const std::vector<std::string> kinds(argv + 1, argv + argc);
	for (const auto &kind : kinds)
		if (kind != "zombie" && kind != "thread" && kind != "unjoined" && kind != "close-wait") {
			std::cerr << "usage: leaky-cc [zombie] [thread] [unjoined] [close-wait]\n";
			return 2;
		}
	app::start_listener();
	std::cout << "ready " << getpid() << std::endl;
	for (std::string line; std::getline(std::cin, line);) {
		std::istringstream words(line);
		std::string verb;
		long count;
		words >> verb;
		if (verb != "go") {
			std::cerr << "unknown command: " << line << "\n";
			return 2;
		}
		if (!(words >> count))
			count = 1;
		for (const auto &kind : kinds)
			for (long n = 0; n < count; n++)
				app::serve_request(kind);
		app::print_truth();
	}
	return 0;
}
