package tracer

import (
	"fmt"
	"strings"
)

// Objects without a stack are told apart by what else they have in common, so
// that the threads of a pool that is older than tracing are one site and the
// leaking ones beside them another.

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
	return out.String()
}

// socketGroup is the service that a connection belongs to: its end with the
// lower port, for the other port was given by the kernel.
func socketGroup(s *socket) string {
	ends := addresses(&s.ledgerLeakSockRecord)
	switch {
	case s.queued():
		return "never accepted at " + ends.local.String()
	case ends.local.Port() < ends.remote.Port():
		return fmt.Sprintf("accepted at port %d", ends.local.Port())
	}
	return "connected to " + ends.remote.String()
}
