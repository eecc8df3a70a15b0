package tests

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// blamed is how many sockets of a snapshot a function is blamed for, by what
// it did with them.
type blamed map[tracer.Role]map[string]int

// keepaliveTests are the ways of keepalive.c, each played three times.
var keepaliveTests = []struct {
	way  string
	want blamed
}{
	{"on-demand", blamed{tracer.LastUsed: {"borrow_leak": 3}}},
	{"filled", blamed{tracer.LastUsed: {"borrow_leak": 3}}},
	{"busy", blamed{tracer.LastUsed: {"borrow_leak": 3}}},
	{"workers", blamed{tracer.LastUsed: {"borrow_leak": 3}}},
	{"own", blamed{tracer.Created: {"http_connect": 3}}},
	{"unused", blamed{tracer.Created: {"http_connect": 3}}},
	{"neglected", blamed{tracer.LastUsed: {"borrow_ok": 3}}},
	{"returned", blamed{}},
}

// With a pool of connections the last borrower is to blame, not the one who
// connected, however soon one borrower follows the other. Where nobody but its
// creator has used a connection, the creator is.
func TestKeepAlive(t *testing.T) {
	for _, test := range keepaliveTests {
		t.Run(test.way, func(t *testing.T) {
			t.Parallel()
			s := run(t, tracer.Options{}, "keepalive", test.way)
			told := s.do("go 3")
			shot := s.snapshot()
			if diff := cmp.Diff(test.want, s.blamed(shot)); diff != "" {
				t.Errorf("wrong blame (-want +got):\n%s%s", diff, render(shot))
			}
			s.checkIDs("sockets", ofKind(shot, tracer.CloseWait), byPort, told.Ports)
			s.complete(shot)
		})
	}
}

// blamed sums the sockets in CLOSE_WAIT.
func (s *session) blamed(shot *tracer.Snapshot) blamed {
	out := make(blamed)
	for _, site := range shot.Sites {
		if site.Kind != tracer.CloseWait || len(site.Outstanding) == 0 {
			continue
		}
		if out[site.Role] == nil {
			out[site.Role] = make(map[string]int)
		}
		out[site.Role][s.blame(site.Stack)] += len(site.Outstanding)
	}
	return out
}
