package tests

import (
	"net/netip"
	"slices"
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
	role     tracer.Role
	accepted bool
	follow   bool
	// mergedFIN: the EOF was not read, but what came just before it was.
	mergedFIN bool
}

// server is what becomes of the accepted ends of a way's connections.
type server struct {
	accepts string // the function that does
	reads   string // the one that uses them first, by recv
	writes  string // or by send
	fate    tally
}

// site is where this kernel lets them be seen first.
func (s server) site() (string, tracer.Role) {
	switch {
	case seesAccept():
		return s.accepts, tracer.Accepted
	case s.reads != "":
		return s.reads, tracer.FirstUsed
	case s.writes != "" && seesUses():
		return s.writes, tracer.FirstUsed
	}
	return noStack, ""
}

// add adds them to what is wanted of a way.
func (s server) add(want map[string]tally) {
	site, _ := s.site()
	sum := want["close-wait "+site]
	sum.Outstanding += s.fate.Outstanding
	if site != noStack {
		sum.Created, sum.Released = sum.Created+s.fate.Created, sum.Released+s.fate.Released
	}
	if sum != (tally{}) {
		want["close-wait "+site] = sum
	}
}

// connected is a way that leaks the ends that a function connects.
func connected(way, function string, s server) socketsTest {
	test := socketsTest{way: way, leak: function, role: tracer.Created, want: map[string]tally{"close-wait " + function: threeKept}}
	s.add(test.want)
	return test
}

// acceptedBy is a way that leaks accepted ends. Its clients close theirs.
func acceptedBy(way string, s server) socketsTest {
	test := socketsTest{way: way, accepted: true, want: map[string]tally{"close-wait accept_client": threeGone}}
	s.add(test.want)
	test.leak, test.role = s.site()
	return test
}

func socketsTests() []socketsTest {
	silent := server{accepts: "hang_up_on", fate: threeGone}
	talks := server{accepts: "say_and_hang_up", writes: "say_and_hang_up", fate: threeGone}
	reads := server{accepts: "accept_client", reads: "read_exactly", fate: threeKept}
	closes := reads
	closes.fate = threeGone
	inherited := connected("inherited", "leak_inherited", silent)
	inherited.follow, inherited.want["zombie leak_inherited"] = true, threeLive
	closed := connected("closed", "close_properly", talks)
	closed.want["close-wait close_properly"] = threeGone
	merged := acceptedBy("accepted-merged-fin", reads)
	merged.mergedFIN = true
	return []socketsTest{
		connected("connect-v4", "leak_v4", silent),
		connected("connect-v6", "leak_v6", server{accepts: "leak_v6", fate: threeGone}),
		connected("connect-v4-mapped", "leak_v4_mapped", silent),
		connected("connect-nonblocking", "leak_nonblocking", silent),
		connected("connect-unread", "leak_unread", talks),
		connected("connect-eof-read", "leak_after_eof", talks),
		connected("peer-shutdown", "leak_half_closed", server{accepts: "leak_half_closed", fate: threeLive}),
		inherited, closed, merged,
		acceptedBy("accepted", reads),
		acceptedBy("accepted-eof-read", reads),
		acceptedBy("accepted-unread", reads),
		acceptedBy("accepted-untouched", server{accepts: "accept_client", fate: threeKept}),
		acceptedBy("accepted-closed", closes),
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
			if roles := rolesOf(shot); len(told.Sockets) != 0 && !slices.Equal(roles, []tracer.Role{test.role}) {
				t.Errorf("the sites' roles are %q, not %q", roles, test.role)
			}
		})
	}
}

// rolesOf is what is said of the sites that leak sockets.
func rolesOf(shot *tracer.Snapshot) (roles []tracer.Role) {
	for _, site := range shot.Sites {
		if site.Kind == tracer.CloseWait && len(site.Outstanding) != 0 {
			roles = append(roles, site.Role)
		}
	}
	return roles
}

// checkSockets compares sockets by both addresses.
func (s *session) checkSockets(objects []tracer.Object, told []socketTruth, test socketsTest) {
	s.t.Helper()
	want, got := make(map[string]socketTruth), make(map[string]socketTruth)
	for _, socket := range told {
		socket.Local, socket.Remote = plainAddress(s.t, socket.Local), plainAddress(s.t, socket.Remote)
		// What was read is then inferred from sequence numbers.
		socket.EOFRead = socket.EOFRead || test.mergedFIN && !seesUses()
		want[socket.Local+" "+socket.Remote] = socket
	}
	for _, object := range objects {
		socket := object.Socket
		got[socket.Local.String()+" "+socket.Remote.String()] = socketTruth{
			Local: socket.Local.String(), Remote: socket.Remote.String(),
			Unread: socket.Unread, EOFRead: socket.EOFRead, Holder: socket.Holders[0].PID,
		}
		if socket.Accepted != (test.accepted && test.role != "") {
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
			want := map[string]tally{"close-wait " + test.leak: test.want}
			if test.leak != noStack {
				addAccepts(want, "hang_up_on", 3)
			}
			s.check(shot, want)
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
