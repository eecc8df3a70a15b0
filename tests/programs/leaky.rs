//! leaky-rs KIND...: leaky.c in Rust, with the same protocol, arguments and JSON.
//!
//! main > serve_request > refresh_cache, then, to blame: leak_child, leak_thread,
//! leak_unjoined (a JoinHandle forgotten; dropped, it would detach), leak_socket;
//! and, not to blame: reap_child, end_thread, join_thread, close_socket.
//! Children are /bin/true, started by std::process::Command.

use std::fmt::Debug;
use std::io::BufRead;
use std::mem;
use std::net::{TcpListener, TcpStream};
use std::os::unix::io::AsRawFd;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;

// The little of libc that std lacks, so that rustc alone builds this.
#[repr(C)]
struct PollFd {
    fd: i32,
    events: i16,
    revents: i16,
}
const POLLRDHUP: i16 = 0x2000;
const P_PID: i32 = 1;
const WEXITED_WNOWAIT: i32 = 0x0100_0004;
const TCP_INFO: i32 = 11;
const TCP_CLOSE_WAIT: u8 = 8;
extern "C" {
    fn gettid() -> i32;
    fn getpid() -> i32;
    fn tgkill(pid: i32, tid: i32, signal: i32) -> i32;
    fn waitid(kind: i32, id: u32, info: *mut u8, options: i32) -> i32;
    fn poll(fds: *mut PollFd, count: u64, timeout: i32) -> i32;
    fn getsockopt(fd: i32, level: i32, name: i32, value: *mut u8, size: *mut u32) -> i32;
}

struct Truth {
    listener: TcpListener,
    zombies: Vec<u32>,
    threads: Vec<i32>,
    unjoined: Vec<i32>,
    ports: Vec<u16>,
    reaped: u32,
    ended: u32,
    joined: u32,
    closed: u32,
}

fn current_tid() -> i32 {
    unsafe { gettid() }
}

/// Joining ends before the kernel has let go of the task.
fn await_thread_gone(tid: i32) {
    while unsafe { tgkill(getpid(), tid, 0) } == 0 {
        thread::yield_now();
    }
}

/// Returns when the child has exited, and leaves it unreaped.
fn await_exit(child: &Child) {
    let mut info = [0u64; 16];
    let status = unsafe { waitid(P_PID, child.id(), info.as_mut_ptr().cast(), WEXITED_WNOWAIT) };
    assert_eq!(status, 0, "waitid");
}

/// The server hangs up; returns when the client is in CLOSE_WAIT. Nothing is
/// read, so the client has not seen the EOF.
#[inline(never)]
fn hang_up_on(listener: &TcpListener, client: &TcpStream) {
    drop(listener.accept().expect("accept"));
    let mut hangup = PollFd { fd: client.as_raw_fd(), events: POLLRDHUP, revents: 0 };
    assert_eq!(unsafe { poll(&mut hangup, 1, -1) }, 1, "poll");
    let mut state = 0u8;
    while state != TCP_CLOSE_WAIT {
        // The state is the first byte of struct tcp_info.
        let mut size = 1u32;
        let got = unsafe { getsockopt(hangup.fd, 6, TCP_INFO, &mut state, &mut size) };
        assert_eq!(got, 0, "TCP_INFO");
    }
}

#[inline(never)]
fn leak_child(truth: &mut Truth) {
    let child = Command::new("/bin/true").spawn().expect("spawn");
    await_exit(&child);
    truth.zombies.push(child.id());
}

#[inline(never)]
fn reap_child(truth: &mut Truth) {
    let mut child = Command::new("/bin/true").spawn().expect("spawn");
    child.wait().expect("wait");
    truth.reaped += 1;
}

#[inline(never)]
fn leak_thread(truth: &mut Truth) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        tell.send(current_tid()).expect("send");
        loop {
            thread::park();
        }
    });
    truth.threads.push(told.recv().expect("recv"));
}

#[inline(never)]
fn end_thread(truth: &mut Truth) {
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let handle = thread::spawn(move || {
        tell.send(current_tid()).expect("send");
        ended.recv().expect_err("nothing is ever sent");
    });
    let tid = told.recv().expect("recv");
    drop(end);
    handle.join().expect("join");
    await_thread_gone(tid);
    truth.ended += 1;
}

#[inline(never)]
fn leak_unjoined(truth: &mut Truth) {
    let (tell, told) = mpsc::channel();
    mem::forget(thread::spawn(move || tell.send(current_tid()).expect("send")));
    let tid = told.recv().expect("recv");
    await_thread_gone(tid);
    truth.unjoined.push(tid);
}

#[inline(never)]
fn join_thread(truth: &mut Truth) {
    let tid = thread::spawn(current_tid).join().expect("join");
    await_thread_gone(tid);
    truth.joined += 1;
}

#[inline(never)]
fn leak_socket(truth: &mut Truth) {
    let address = truth.listener.local_addr().expect("address");
    let client = TcpStream::connect(address).expect("connect");
    hang_up_on(&truth.listener, &client);
    truth.ports.push(client.local_addr().expect("address").port());
    mem::forget(client);
}

#[inline(never)]
fn close_socket(truth: &mut Truth) {
    let address = truth.listener.local_addr().expect("address");
    let client = TcpStream::connect(address).expect("connect");
    hang_up_on(&truth.listener, &client);
    drop(client);
    truth.closed += 1;
}

// The black boxes keep the last calls from becoming jumps, which would take
// these two out of the stack.
#[inline(never)]
fn refresh_cache(kind: &str, truth: &mut Truth) {
    match kind {
        "zombie" => (leak_child(truth), reap_child(truth)),
        "thread" => (leak_thread(truth), end_thread(truth)),
        "unjoined" => (leak_unjoined(truth), join_thread(truth)),
        "close-wait" => (leak_socket(truth), close_socket(truth)),
        _ => panic!("no such kind: {kind}"),
    };
    keep_frame(truth);
}

/// Used after a call, so that the call is not the function's last act and keeps
/// its frame. std::hint::black_box would do, but came after Debian 12's rustc.
fn keep_frame<T>(used: &mut T) {
    unsafe { std::ptr::read_volatile((used as *mut T).cast::<u8>()) };
}

#[inline(never)]
fn serve_request(kind: &str, truth: &mut Truth) {
    refresh_cache(kind, truth);
    keep_frame(truth);
}

/// Rust prints a list of numbers as JSON does, but for the spaces.
fn list<T: Debug>(ids: &[T]) -> String {
    format!("{ids:?}").replace(' ', "")
}

fn print_truth(t: &Truth) {
    println!(
        "{{\"zombies\":{},\"threads\":{},\"unjoined\":{},\"close_wait\":{},\
         \"reaped\":{},\"ended\":{},\"joined\":{},\"closed\":{},\
         \"zombie_pids\":{},\"thread_tids\":{},\"unjoined_tids\":{},\"ports\":{}}}",
        t.zombies.len(), t.threads.len(), t.unjoined.len(), t.ports.len(),
        t.reaped, t.ended, t.joined, t.closed,
        list(&t.zombies), list(&t.threads), list(&t.unjoined), list(&t.ports),
    );
}

fn main() {
    let kinds: Vec<String> = std::env::args().skip(1).collect();
    let mut truth = Truth {
        listener: TcpListener::bind("127.0.0.1:0").expect("listen"),
        zombies: vec![],
        threads: vec![],
        unjoined: vec![],
        ports: vec![],
        reaped: 0,
        ended: 0,
        joined: 0,
        closed: 0,
    };
    println!("ready {}", std::process::id());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("stdin");
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some("go"), "unknown command");
        let count: u32 = words.next().map_or(1, |n| n.parse().expect("count"));
        for kind in &kinds {
            for _ in 0..count {
                serve_request(kind, &mut truth);
            }
        }
        print_truth(&truth);
    }
}
