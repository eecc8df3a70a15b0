#!/usr/bin/python3
"""pyservice WAY: Python's own ways to leak children and threads.

Protocol in program.h. `go N` does it N times; where the way serves requests, a
client in another process makes N, each on a connection of its own. Prints,
since the start:
  {"way":"..","requests":N,"zombies":N,"threads":N,"thread_tids":[..]}

  way          what stays
  popen        children of subprocess.Popen that nobody waits for
  run          nothing: subprocess.run waits
  threads      a threading.Thread each, waiting for an Event that nobody sets
  executor     8 threads of one concurrent.futures.ThreadPoolExecutor
  executors    2 threads of a new ThreadPoolExecutor for each request: the leak
"""

import concurrent.futures
import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading

PR_SET_PDEATHSIG = 1
WORKERS, PER_REQUEST = 8, 2

kept = []  # of everything, so that the garbage collector gives nothing back
told = {"way": sys.argv[1], "requests": 0, "zombies": 0, "threads": 0, "thread_tids": []}


def note_threads():
    """Every thread there is, but this one."""
    told["thread_tids"] = sorted(
        t.native_id for t in threading.enumerate() if t is not threading.current_thread()
    )
    told["threads"] = len(told["thread_tids"])


def popen(count):
    for _ in range(count):
        child = subprocess.Popen(["/bin/true"])
        kept.append(child)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        told["zombies"] += 1


def run(count):
    for _ in range(count):
        subprocess.run(["/bin/true"], check=True)


def threads(count):
    for _ in range(count):
        thread = threading.Thread(target=threading.Event().wait, daemon=True)
        thread.start()
        kept.append(thread)
    note_threads()


def answer(connection, everybody):
    """Returns when each worker of the pool has a request or waits with us."""
    with connection:
        connection.recv(16)
        connection.sendall(b"done\n")
    if everybody:
        everybody.wait()


def executor(count):
    if not kept:
        kept.append(concurrent.futures.ThreadPoolExecutor(WORKERS))
        # A worker is started only while no other is idle.
        everybody = threading.Barrier(WORKERS)
        for _ in range(WORKERS):
            kept[0].submit(everybody.wait)
    serve(count, lambda connection: kept[0].submit(answer, connection, None))


def answer_by_new_pool(connection):
    pool = concurrent.futures.ThreadPoolExecutor(PER_REQUEST)
    kept.append(pool)
    everybody = threading.Barrier(PER_REQUEST)
    for _ in range(PER_REQUEST - 1):
        pool.submit(everybody.wait)
    return pool.submit(answer, connection, everybody)


def executors(count):
    serve(count, answer_by_new_pool)


def serve(count, handle):
    orders.sendall(b"%d\n" % count)
    futures = [handle(listener.accept()[0]) for _ in range(count)]
    for future in futures:
        future.result()
    told["requests"] += count
    note_threads()


def request_as_ordered(orders, address):
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    for line in orders.makefile():
        for _ in range(int(line)):
            with socket.create_connection(address) as connection:
                connection.sendall(b"please\n")
                while connection.recv(16):
                    pass


WAYS = {f.__name__: f for f in (popen, run, threads, executor, executors)}

listener = socket.create_server(("127.0.0.1", 0))
orders, theirs = socket.socketpair()
if os.fork() == 0:
    orders.close()
    request_as_ordered(theirs, listener.getsockname())
    os._exit(0)
theirs.close()

print(f"ready {os.getpid()}", flush=True)
for line in sys.stdin:
    verb, _, number = line.partition(" ")
    if verb.strip() != "go":
        sys.exit(f"unknown command: {verb}")
    WAYS[told["way"]](int(number or 1))
    print(json.dumps(told), flush=True)
# The pools' threads wait for ever, and so would an ordinary exit for them.
os._exit(0)
