package tracer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// Objects without a stack are told apart by what else they have in common, so
// that the threads of a pool that is older than tracing are one site and the
// leaking ones beside them another.

// NotSampled is the Group of objects whose stacks were left out: in a flood of
// creations (see Sampling), for want of room, or since a cgroup of a traced node has
// its part of all stacks. They may be of any number of sites.
const NotSampled = "stack not sampled"

// GoThreads is the Group of the threads that the Go runtime starts: it does so from
// wherever there is work and no thread for it, so that the stack of one tells nothing.
const GoThreads = "threads of the Go runtime"

// createsGoThread tells the functions by which the Go runtime creates threads: by
// itself or, with cgo, by way of pthread_create.
func createsGoThread(f symbol.Frame) bool {
	switch f.Function {
	case "runtime.newm", "runtime.newm1", "runtime.newosproc", "x_cgo_thread_start", "_cgo_sys_thread_start":
		return true
	}
	return false
}

// unsampled tells the ids that stand for a stack that was left out.
func unsampled(id uint64) bool { return uint32(id)&^stackIDMask == idUnsampled }

// NameGroup is the name of a thread or child with each number in it as "N":
// the workers of a pool are numbered.
func NameGroup(name string) string {
	var out strings.Builder
	number := false
	for _, r := range name {
		digit := '0' <= r && r <= '9'
		switch {
		case !digit:
			out.WriteRune(r)
		case !number:
			out.WriteByte('N')
		}
		number = digit
	}
	// A name of 15 bytes may be cut, and the number with it.
	if len(name) == 15 && strings.ContainsAny(name[14:], "-_#:/ ") {
		out.WriteByte('N')
	}
	return out.String()
}

// group is the service that a connection belongs to.
func (s *SocketInfo) group() string {
	switch {
	case s.Listeners != nil:
		return "never accepted at " + s.Local.String()
	case s.served, s.Local.Port() < ephemeral && s.Remote.Port() >= ephemeral:
		return fmt.Sprintf("accepted at port %d", s.Local.Port())
	case s.Remote.Port() >= ephemeral:
		return "connected with " + s.Remote.Addr().String()
	}
	return "connected to " + s.Remote.String()
}

// ephemeral is where the ports begin that the kernel gives to those who ask for
// none (net.ipv4.ip_local_port_range). Such a port names no service.
const ephemeral = 32768

// group is what an object has in common with others of its sort.
func (o *Object) group() string {
	if o.Socket != nil {
		return o.Socket.group()
	}
	return NameGroup(o.Name)
}

// seenAgain finds, for sites of objects older than tracing, the one site with a
// stack that creates the same sort of objects now: it has likely created these
// too.
func seenAgain(sites []Site) {
	type sort struct {
		scope Scope
		kind  Kind
		group string
	}
	if !slices.ContainsFunc(sites, isOlder) {
		return
	}
	seen := make(map[sort]string)
	for i := range sites {
		s := &sites[i]
		if len(s.Stack.Frames) == 0 || s.Kind == Goroutine {
			continue // of goroutines the site is known, however old they are
		}
		for j := range s.Outstanding {
			o := &s.Outstanding[j]
			if o.BeforeTracing {
				continue
			}
			which := sort{s.Scope, s.Kind, o.group()}
			if known, ok := seen[which]; ok && known != s.Fingerprint {
				seen[which] = "" // nobody knows which of the two
			} else {
				seen[which] = s.Fingerprint
			}
		}
	}
	for i := range sites {
		s := &sites[i]
		if isOlder(*s) {
			s.SeenAgain = seen[sort{s.Scope, s.Kind, s.Group}]
		}
	}
}

// isOlder tells a site of objects that are older than tracing.
func isOlder(s Site) bool {
	return len(s.Stack.Frames) == 0 && len(s.Outstanding) > 0 && s.Outstanding[0].BeforeTracing
}
