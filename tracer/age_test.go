package tracer

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What has no object left was given back, whatever could be counted of it.
func TestSettle(t *testing.T) {
	tests := map[string]struct{ before, after tally }{
		"all counted": {
			tally{counted: 5, created: 5, released: 5, ended: 5, joined: 5},
			tally{counted: 5, created: 5, released: 5, ended: 5, joined: 5},
		},
		"one was seen and never counted": {
			tally{counted: 5, created: 6, released: 5, ended: 5, joined: 4},
			tally{counted: 5, created: 6, released: 6, ended: 6, joined: 6},
		},
	}
	for name, test := range tests {
		got := test.before
		got.settle()
		if diff := cmp.Diff(test.after, got, cmp.AllowUnexported(tally{})); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Of any number of sites the past is kept in bounded memory, of those used last
// by site, and of every kind the sum stays what it is.
func TestPastIsBounded(t *testing.T) {
	const sites, each = 3 * maxPast, 7
	p := make(past)
	for age := range uint32(sites) {
		kind := Kinds()[age%4]
		key := siteKey{kind: kind, fingerprint: fmt.Sprint(age)}
		p.add(key, Site{Kind: kind, Fingerprint: key.fingerprint, Created: each, Released: each}, age)
		p[siteKey{kind: Zombie, fingerprint: "0"}].used = age // has a stack in use all the time
		p.bound(age)
	}
	if len(p) > maxPast+1 {
		t.Errorf("%d sites are kept, want at most %d", len(p), maxPast+1)
	}
	got := make(map[Kind]uint64)
	for key, s := range p {
		got[key.kind] += s.Created
	}
	want := map[Kind]uint64{Zombie: sites / 4 * each, Thread: sites / 4 * each, UnjoinedThread: sites / 4 * each, CloseWait: sites / 4 * each}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("wrong sums (-want +got):\n%s", diff)
	}
	for _, kept := range []int{0, sites - 1, sites - maxPast/2} {
		if p[siteKey{kind: Kinds()[kept%4], fingerprint: fmt.Sprint(kept)}] == nil {
			t.Errorf("site %d was given up", kept)
		}
	}
}
