package tracer

// Scope is the processes whose objects a snapshot of a whole node keeps apart from
// those of all others: one program in one cgroup. It is zero where one process is
// traced, or one tree.
type Scope struct {
	// Cgroup is the path of the processes' cgroup, as a process in the host's cgroup
	// namespace reads it in /proc/PID/cgroup: of v2 or, where that says nothing, of
	// the v1 hierarchy whose path is the longest.
	Cgroup string
	// Program is the name that the kernel gave the processes when they began their
	// image, 15 bytes at most and unescaped; OtherPrograms where a cgroup runs too
	// many to tell apart.
	Program string
}

// OtherPrograms is the Scope.Program of those beyond the first programs of a cgroup.
const OtherPrograms = "other"

// Refusal counts what a cgroup was refused because it would have taken it from
// others.
type Refusal struct {
	Cgroup string
	Counter
}
