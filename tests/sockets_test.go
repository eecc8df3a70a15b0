package tests

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// socketTruth is a socket in CLOSE_WAIT as the program sees it.
type socketTruth struct {
	Local   string `json:"local"`
	Remote  string `json:"remote"`
	Unread  int    `json:"unread"`
	EOFRead bool   `json:"eof_read"`
	Holder  int    `json:"holder"`
}

// socketsTest is one way of sockets.c and what must be made of it.
type socketsTest struct {
	way      string
	want     map[string]tally
	leak     string // the function to blame
	accepted bool
	follow   bool
}

func connected(way, function string, more ...string) socketsTest {
	want := map[string]tally{"close-wait " + function: threeKept}
	for _, key := range more {
		want[key] = threeGone
	}
	return socketsTest{way: way, leak: function, want: want}
}

// acceptedBy is a leak of an accepted socket, first read by read_exactly.
func acceptedBy(way string) socketsTest {
	return socketsTest{way: way, leak: "read_exactly", accepted: true, want: map[string]tally{
		"close-wait read_exactly": threeKept, "close-wait accept_client": threeGone,
	}}
}

func socketsTests() []socketsTest {
	inherited := connected("inherited", "leak_inherited")
	inherited.follow, inherited.want["zombie leak_inherited"] = true, threeLive
	const server = "close-wait say_and_hang_up" // the other end, which sends
	return []socketsTest{
		connected("connect-v4", "leak_v4"),
		connected("connect-v6", "leak_v6"),
		connected("connect-v4-mapped", "leak_v4_mapped"),
		connected("connect-nonblocking", "leak_nonblocking"),
		connected("connect-unread", "leak_unread", server),
		connected("connect-eof-read", "leak_after_eof", server),
		connected("peer-shutdown", "leak_half_closed"),
		inherited,
		acceptedBy("accepted"),
		acceptedBy("accepted-eof-read"),
		acceptedBy("accepted-unread"),
		acceptedBy("accepted-merged-fin"),
		{way: "accepted-untouched", leak: noStack, want: map[string]tally{
			"close-wait (no stack)": {Outstanding: 3}, "close-wait accept_client": threeGone,
		}},
		{way: "accepted-closed", want: map[string]tally{
			"close-wait read_exactly": threeGone, "close-wait accept_client": threeGone,
		}},
		{way: "closed", want: map[string]tally{"close-wait close_properly": threeGone, server: threeGone}},
		// The descriptors are kept, but there never was a connection.
		{way: "refused", want: map[string]tally{"close-wait keep_refused": threeLive}},
	}
}

// However a socket came to CLOSE_WAIT, the snapshot has its creator, both its
// addresses, what is unread, whether the EOF was read, and who holds it.
func TestSockets(t *testing.T) {
	for _, test := range socketsTests() {
		t.Run(test.way, func(t *testing.T) {
			t.Parallel()
			s := run(t, tracer.Options{Follow: test.follow}, "sockets", test.way)
			told := s.do("go 3")
			shot := s.snapshot()
			s.check(shot, test.want)
			s.complete(shot)
			s.checkSockets(s.outstanding(shot, tracer.CloseWait, test.leak), told.Sockets, test)
		})
	}
}

// checkSockets compares sockets by both addresses.
func (s *session) checkSockets(objects []tracer.Object, told []socketTruth, test socketsTest) {
	s.t.Helper()
	want, got := make(map[string]socketTruth), make(map[string]socketTruth)
	for _, socket := range told {
		socket.Local, socket.Remote = plainAddress(s.t, socket.Local), plainAddress(s.t, socket.Remote)
		want[socket.Local+" "+socket.Remote] = socket
	}
	for _, object := range objects {
		socket := object.Socket
		got[socket.Local.String()+" "+socket.Remote.String()] = socketTruth{
			Local: socket.Local.String(), Remote: socket.Remote.String(),
			Unread: socket.Unread, EOFRead: socket.EOFRead, Holder: socket.Holders[0].PID,
		}
		if socket.Accepted != test.accepted {
			s.t.Errorf("%v: accepted is %v", socket.Local, socket.Accepted)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("wrong sockets (-want +got):\n%s", diff)
	}
}

// plainAddress rewrites an address of the program's: an IPv4 address that an
// IPv6 socket shows mapped is an IPv4 address to us.
func plainAddress(t testing.TB, text string) string {
	t.Helper()
	address, err := netip.ParseAddrPort(text)
	if err != nil {
		t.Fatalf("parse address: %v", err)
	}
	return netip.AddrPortFrom(address.Addr().Unmap(), address.Port()).String()
}

// A socket that was connected before tracing began is shown, with no stack.
func TestSocketsBeforeTracing(t *testing.T) {
	tests := []struct {
		name  string
		begin func(*testing.T, tracer.Options, string, ...string) *session
		leak  string
		want  tally
	}{
		{name: "attached after", begin: attach, leak: noStack, want: tally{Outstanding: 3}},
		{name: "traced from the start", begin: run, leak: "leak_before_ready", want: tally{Outstanding: 3, Created: 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := test.begin(t, tracer.Options{}, "sockets", "before-ready", "3")
			told := s.do("go")
			shot := s.snapshot()
			s.check(shot, map[string]tally{"close-wait " + test.leak: test.want})
			objects := s.outstanding(shot, tracer.CloseWait, test.leak)
			s.checkSockets(objects, told.Sockets, socketsTest{})
			for _, object := range objects {
				if object.BeforeTracing != (test.leak == noStack) {
					t.Errorf("%s: before tracing is %v", renderObject(object), object.BeforeTracing)
				}
			}
		})
	}
}
