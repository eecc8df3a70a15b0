/*
 * forbidden: tries system calls that deploy/seccomp.json forbids, none of which
 * can do anything with these arguments, and prints a line for each: its name and
 * "refused" if the error was EPERM, else "let".
 */
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void attempt(const char *name, long number, long a, long b, long c)
{
	errno = 0;
	syscall(number, a, b, c, 0L, 0L, 0L);
	printf("%s %s\n", name, errno == EPERM ? "refused" : "let");
}

int main(void)
{
	attempt("mount", SYS_mount, 0, 0, 0);
	attempt("umount2", SYS_umount2, 0, 0, 0);
	attempt("pivot_root", SYS_pivot_root, 0, 0, 0);
	attempt("chroot", SYS_chroot, 0, 0, 0);
	attempt("unshare", SYS_unshare, 1, 0, 0);
	attempt("setns", SYS_setns, -1, 0, 0);
	attempt("clone of a process", SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_FS | CLONE_NEWNS, 0, 0);
	attempt("ptrace", SYS_ptrace, PTRACE_POKETEXT, -1, 0);
	attempt("process_vm_writev", SYS_process_vm_writev, -1, 0, 0);
	attempt("kill", SYS_kill, getpid(), -1, 0);
	attempt("pidfd_getfd", SYS_pidfd_getfd, -1, -1, 0);
	attempt("open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0);
	attempt("unlinkat", SYS_unlinkat, -1, 0, 0);
	attempt("keyctl", SYS_keyctl, -1, 0, 0);
	attempt("socket of packets", SYS_socket, AF_PACKET, -1, 0);
	/* These it may. */
	attempt("bpf", SYS_bpf, -1, 0, 0);
	attempt("process_vm_readv", SYS_process_vm_readv, -1, 0, 0);
	attempt("pidfd_open", SYS_pidfd_open, -1, 0, 0);
	attempt("socket of TCP", SYS_socket, AF_INET, SOCK_STREAM, 0);
	return 0;
}
