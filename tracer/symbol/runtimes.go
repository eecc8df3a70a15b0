package symbol

// layer says whose code a frame is. A user fixes the application's; libc is
// the least helpful to be pointed at.
type layer int

const (
	application layer = iota
	// anonymous code has neither a file nor a name.
	anonymous
	// library is a shared library of the system, or a script language's standard
	// library: nearer to the user than the interpreter below it.
	library
	// languageRuntime is a standard library or an interpreter.
	languageRuntime
	// libc is the C library, the loader and the vdso.
	libc
)

// moduleRule classifies modules by the start of their base names. What follows
// must be the end, a digit, or one of ".-_", so that libm is not libmy.
type moduleRule struct {
	prefix string
	layer  layer
}

// moduleRules lists the modules that are no application's own.
var moduleRules = []moduleRule{
	// The C library: glibc, musl and their parts.
	{"libc.so", libc}, {"libc-", libc}, {"libc.musl", libc}, {"libpthread", libc}, {"ld-linux", libc},
	{"ld-musl", libc}, {"ld-2", libc}, {"ld.so", libc}, {"libm", libc}, {"libdl", libc}, {"librt", libc},
	{"libresolv", libc}, {"libnsl", libc}, {"libnss", libc}, {"libanl", libc}, {"[vdso]", libc}, {"[vsyscall]", libc},
	// Compilers' support libraries, C++ and sanitizers, which wrap libc.
	{"libstdc++", languageRuntime}, {"libc++", languageRuntime}, {"libc++abi", languageRuntime}, {"libgcc", languageRuntime},
	{"libasan", languageRuntime}, {"libtsan", languageRuntime}, {"libgo.so", languageRuntime}, {"libstd", languageRuntime},
	// The JDK.
	{"libjvm", languageRuntime}, {"libjava", languageRuntime}, {"libnet.so", languageRuntime}, {"libnio", languageRuntime},
	{"libjli", languageRuntime}, {"libzip.so", languageRuntime}, {"libextnet", languageRuntime}, {"libverify", languageRuntime},
	// Interpreters and the libraries they run on.
	{"libpython", languageRuntime}, {"python", languageRuntime}, {"libruby", languageRuntime}, {"ruby", languageRuntime},
	{"libuv", languageRuntime}, {"libnode", languageRuntime}, {"node", languageRuntime}, {"libperl", languageRuntime},
	{"perl", languageRuntime}, {"java", languageRuntime}, {"libcoreclr", languageRuntime}, {"libSystem.Native", languageRuntime},
	{"libmono", languageRuntime}, {"libphp", languageRuntime}, {"php", languageRuntime}, {"liblua", languageRuntime},
}

// libraryDirectories are where the dynamic linker looks for shared libraries.
var libraryDirectories = []string{"/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"}

// libcFunctions are entry points of the C library that create a resource, lead
// there, or block. They count only without a source file or with libc's own, for
// static executables have libc inside.
var libcFunctions = []string{
	"fork", "vfork", "_Fork", "clone", "clone3", "posix_spawn", "posix_spawnp", "system", "popen", "daemon", "forkpty", "wordexp",
	"do_system", "spawn_process", "do_posix_spawn", "arch_fork", "child", "wait", "waitpid", "wait4", "waitid",
	"pthread_create", "thrd_create", "start_thread", "create_thread", "allocate_stack", "start",
	"connect", "accept", "accept4", "socket", "read", "readv", "recv", "recvfrom", "recvmsg", "recvmmsg",
	"write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "close", "shutdown", "poll", "ppoll", "select", "epoll_wait",
	"epoll_pwait", "epoll_pwait2", "pselect", "msgrcv", "mq_receive", "mq_timedreceive", "flock", "fcntl", "lockf",
	"nanosleep", "clock_nanosleep", "sleep", "usleep", "pause", "sigsuspend", "sigwait", "sigwaitinfo", "sigtimedwait",
	"sem_wait", "sem_timedwait", "sem_clockwait", "pthread_join", "pthread_timedjoin_np", "pthread_clockjoin_np",
	"pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait", "pthread_barrier_wait",
	"pthread_mutex_lock", "pthread_mutex_timedlock", "pthread_mutex_clocklock", "pthread_spin_lock", "pthread_once",
	"pthread_rwlock_rdlock", "pthread_rwlock_wrlock", "pthread_rwlock_timedrdlock", "pthread_rwlock_timedwrlock",
	"cnd_wait", "cnd_timedwait", "mtx_lock", "mtx_timedlock", "thrd_join", "thrd_sleep", "call_once",
	"syscall", "syscall_cancel", "getaddrinfo", "gaih_inet", "send_dg", "send_vc", "res_nsend", "timer_create", "mq_notify",
}

// libcFiles are parts of paths by which libc's sources are known.
var libcFiles = []string{"/glibc", "/sysdeps/", "/nptl/", "../sysdeps/", "./nptl/", "./posix/", "./socket/", "./libio/", "./csu/", "/musl", "src/thread/", "src/process/", "src/network/"}

// runtimePrefixes start the names of functions of standard libraries. Java's,
// JavaScript's and Python's come from perf maps.
var runtimePrefixes = []string{
	"std::", "__gnu_cxx::", "__cxxabiv1::", "core::", "alloc::", "<std::", "<core::", "<alloc::",
	"<&std::", "<&core::", "<&alloc::", "<&mut std::", "<&mut core::", "<&mut alloc::", "__rust_", "rust_begin_unwind",
	"_cgo_", "x_cgo_", "crosscall",
	"Ljava/", "Ljdk/", "Lsun/", "java.", "jdk.", "sun.", "node:internal", "py::<frozen ",
}

// runtimeFiles are parts of paths by which standard libraries' sources are
// known. Crates below .cargo/registry are dependencies, which users choose.
var runtimeFiles = []string{"/usr/include/c++/", "/usr/include/x86_64-linux-gnu/c++/", "/usr/include/aarch64-linux-gnu/c++/",
	"/include/c++/v1/", "/rustc/", "/library/std/src/", "/library/core/src/", "/library/alloc/src/"}

// goStandard lists the first elements of the standard library's packages. A
// module's first element may lack a dot too, so the lack of one is no proof.
var goStandard = []string{
	"archive", "bufio", "bytes", "cmp", "compress", "container", "context", "crypto", "database", "debug", "embed",
	"encoding", "errors", "expvar", "flag", "fmt", "go", "hash", "html", "image", "index", "internal", "io", "iter",
	"log", "maps", "math", "mime", "net", "os", "path", "plugin", "reflect", "regexp", "runtime", "slices", "sort",
	"strconv", "strings", "structs", "sync", "syscall", "testing", "text", "time", "unicode", "unique", "vendor", "weak",
}
