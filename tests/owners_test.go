package tests

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

// holderTruth is a descriptor as the program knows it.
type holderTruth struct {
	PID int `json:"pid"`
	FD  int `json:"fd"`
}

func holdersOf(holders []tracer.Holder) []holderTruth {
	out := []holderTruth{}
	for _, h := range holders {
		out = append(out, holderTruth{h.PID, h.FD})
	}
	slices.SortFunc(out, func(a, b holderTruth) int { return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD)) })
	return out
}

// ownedTruth is a socket in CLOSE_WAIT as owners.c knows it.
type ownedTruth struct {
	Local     string        `json:"local"`
	Remote    string        `json:"remote"`
	Unread    int           `json:"unread"`
	Holders   []holderTruth `json:"holders"`
	Listeners []holderTruth `json:"listeners"`
	Peer      *holderTruth  `json:"peer"`
}

type ownersTruth struct {
	Sockets []ownedTruth `json:"sockets"`
}

// ownersTests are the ways of owners.c, with the function that connected.
var ownersTests = []struct{ way, leak string }{
	{"two-descriptors", "leak_twice"},
	{"both", "leak_both"},
	{"child", "leak_to_child"},
	{"exec", "leak_to_exec"},
	{"passed", "leak_passed"},
	{"passed-both", "leak_passed_both"},
	{"peer", "leak_with_peer"},
	{"not-accepted", noStack},
	{"prefork", noStack},
}

// Every descriptor that keeps a socket open is known, also those of processes
// that are not traced; of a connection that nobody accepted the listener is.
func TestOwners(t *testing.T) {
	for _, follow := range []bool{true, false} {
		for _, test := range ownersTests {
			name := test.way
			if follow {
				name += ", followed"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := run(t, tracer.Options{Follow: follow}, "owners", test.way)
				s.send("go 3")
				told := decode[ownersTruth](s.program)
				shot := s.snapshot()
				objects := s.outstanding(shot, tracer.CloseWait, test.leak)
				if diff := gocmp.Diff(sortedOwned(told.Sockets), owned(objects)); diff != "" {
					t.Errorf("wrong sockets (-want +got):\n%s%s", diff, render(shot))
				}
				if all := ofKind(shot, tracer.CloseWait); len(all) != len(objects) {
					t.Errorf("%d sockets are blamed on others\n%s", len(all)-len(objects), render(shot))
				}
			})
		}
	}
}

// owned lists sockets as owners.c does.
func owned(objects []tracer.Object) []ownedTruth {
	var out []ownedTruth
	for _, object := range objects {
		socket := object.Socket
		truth := ownedTruth{
			Local: socket.Local.String(), Remote: socket.Remote.String(), Unread: socket.Unread,
			Holders: holdersOf(socket.Holders), Listeners: holdersOf(socket.Listeners),
		}
		if socket.Peer != nil {
			truth.Peer = &holderTruth{socket.Peer.PID, socket.Peer.FD}
		}
		out = append(out, truth)
	}
	return sortedOwned(out)
}

// sortedOwned sorts by addresses.
func sortedOwned(sockets []ownedTruth) []ownedTruth {
	slices.SortFunc(sockets, func(a, b ownedTruth) int {
		return cmp.Or(cmp.Compare(a.Local, b.Local), cmp.Compare(a.Remote, b.Remote))
	})
	return sockets
}
