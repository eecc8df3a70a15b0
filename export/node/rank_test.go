package node

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// ranked ranks sites of one container by name, two of them, and returns those that
// have a place and what the others hold.
func ranked(r *ranking, now time.Time, counts map[string]int) (names []string) {
	id := kindOf[Label]{Label{of("shop", "cart", "app"), "cart"}, tracer.Zombie}
	s := &summary{leaks: map[string]*leak{}}
	for name, n := range counts {
		s.leaks[name] = &leak{site: new(verdict.Site), leaked: n}
	}
	r.rank(map[kindOf[Label]]*summary{id: s}, 2, now)
	for _, site := range s.Sites {
		names = append(names, site.Fingerprint)
	}
	return append(names, fmt.Sprint(s.Others))
}

// Sites that are about alike do not take turns.
func TestRankingStays(t *testing.T) {
	r := newRanking()
	var got [][]string
	for i, counts := range []map[string]int{
		{"a": 10, "b": 9, "c": 8}, {"a": 10, "b": 9, "c": 11}, {"a": 10, "b": 9, "c": 12}, {"a": 10, "b": 11, "c": 12}, {"a": 5},
	} {
		got = append(got, ranked(r, began.Add(time.Duration(i)*time.Second), counts))
	}
	want := [][]string{{"a", "b", "8"}, {"a", "b", "11"}, {"a", "c", "9"}, {"c", "a", "11"}, {"a", "0"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A container that makes up sites has no more than so many series of them in an hour.
func TestRankingIsBounded(t *testing.T) {
	r := newRanking()
	seen := map[string]bool{}
	var last []string
	for i := range 1000 {
		last = ranked(r, began.Add(time.Duration(i)*time.Second), map[string]int{fmt.Sprintf("s%d", i): 10, "stays": 1})
		for _, name := range last[:len(last)-1] {
			seen[name] = true
		}
	}
	want := map[string]bool{"stays": true, "s0": true, "s1": true, "s2": true}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"stays", "10"}, last); diff != "" {
		t.Errorf("the last: %s", diff)
	}
	later := began.Add(1000*time.Second + keepSite)
	if diff := cmp.Diff([]string{"new", "0"}, ranked(r, later, map[string]int{"new": 1})); diff != "" {
		t.Errorf("an hour later: %s", diff)
	}
	ranked(r, later.Add(2*keepSite), nil)
	if len(r.held) != 0 {
		t.Errorf("kept: %v", r.held)
	}
}
