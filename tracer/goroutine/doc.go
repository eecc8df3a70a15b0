// Package goroutine reads the goroutines of a running Go program from outside: from
// its memory, without stopping it, and from the tables that every Go program carries,
// stripped or not. It needs nothing of the program, neither symbols nor DWARF nor a
// profile that it serves.
//
// # What is found, and how
//
// The program's file has the pclntab, which names functions, lines and the size of
// each frame, and says where runtime.moduledata is. That one, read from live memory,
// tells where the program's data lies. The list of all goroutines (runtime.allgs) is
// the one slice in .bss of whose elements each points to itself at runtime.g's
// sched.g. The texts of wait reasons are numbered differently by each release, so
// they are the process's own.
//
// Where the fields of runtime.g are is known for the releases of Go in layouts, and
// is found out from the goroutines too: the first one is number 1 and began at
// runtime.main, and so on. Where both are known they must agree, and of an unknown
// release the second alone counts. If it is not clear where the fields are nothing is
// read.
//
// # What can be trusted
//
// The program goes on while it is read. A goroutine is read, then its stack, then the
// goroutine again: the stack counts if it has not run in between. The runtime counts
// how often each goroutine stops running (trackingSeq, modulo 256), so that one that
// ran and waits at the same place again is told from one that never woke.
//
// # What nothing leads to
//
// Verify looks for goroutines that nothing can wake, as Go's own goroutineleak profile does
// since 1.26. Where the heap is (mheap_.allspans) shows by what it holds; where its spans,
// the waits of goroutines (sudog), and finalizers have their fields is known for the
// releases in heapLayouts, and of another release nothing is said. Variables and objects of
// more than half a kilobyte say themselves which of their words are pointers. Of smaller
// objects and of stacks each word counts, so that a goroutine may be missed for what looks
// like a pointer, or is one that is not used any more. What finalizers and cleanups know that
// are queued cannot be seen: while there are any nothing is said.
//
// Nothing stands still meanwhile. So variables and stacks are read, then the heap at once,
// between two rounds of the garbage collector, then both again for what has changed; and what
// counts was found so twice.
//
// The memory of a process may hold anything. What is read of it, and how long that
// takes, is bounded.
package goroutine
