package tracer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// A stack that creates nothing and has no object ages by one in each snapshot
// that is taken a second or more after the one before. It is deleted from the
// kernel's stacks at one age, and forgotten by Go at a later one.
//
// Between the two no object can get lost. A program that found the stack in the
// map before it was deleted leads to an object that no list may show yet. The
// next snapshot waits in its turn for all such programs, so it counts the object,
// and the stack is in use again before Go forgets it. A program that comes later
// does not find the stack, and stores and announces it anew: its id is a hash of
// its content, so it is the same one.
//
// That a stack is kept for some ages before that is for objects that no list of
// the kernel shows for a moment: a socket on its way to another process.
const (
	ageEvery    = time.Second
	deleteAfter = 3
	forgetAfter = 5
)

// grow makes all stacks older, and lets go of those that are old enough. lost
// counts events and counts that got lost: after that the kernel may have stacks
// that Go was never told of.
func (t *Tracer) grow(lost uint64) {
	if time.Since(t.aged) < ageEvery {
		return
	}
	t.aged = time.Now()
	t.age++
	if lost != t.swept {
		t.note(t.stacks.sweep())
		t.swept = lost
	}
	for id := range t.stacks.known {
		if !isUse(id) {
			t.tally(id) // from now on it ages, even if it has created nothing
		}
	}
	for id, n := range t.tallies {
		switch age := t.age - n.used; {
		case age >= forgetAfter:
			t.retire(id, n)
		case age == deleteAfter:
			t.note(t.stacks.delete(id))
		}
	}
	t.stacks.pruneRescued()
	t.past.bound(t.age)
}

// retire forgets a stack and adds what it counted to its sites' past.
func (t *Tracer) retire(id uint64, n *tally) {
	n.settle()
	n.each(id, func(kind Kind, created, released uint64) {
		from := t.stacks.countedAt(kind, id)
		key := siteKey{kind, t.stacks.fingerprint(kind, from), t.stacks.scope(id)}
		t.past.add(key, Site{
			Kind: kind, Scope: t.scopes.get(key.scope), Fingerprint: key.fingerprint, Role: from.role, Group: from.group,
			Stack: t.stacks.get(from.stack), Created: created, Released: released,
		}, t.age)
	})
	delete(t.tallies, id)
	delete(t.stacks.known, id)
}

// past is what sites created by way of stacks that were forgotten since.
type past map[siteKey]*pastSite

type pastSite struct {
	Site
	// used is the age at which the site was last added to, or had a stack in use.
	used uint32
}

// maxPast is how many sites keep their past apart from the others'. A site's
// stack takes some 2 KiB.
const maxPast = 2048

// Forgotten is the Group of the sites that stand for many others, one of each
// kind: those that have had no object for the longest time. Their counts go on
// here, so that the sums of all sites never shrink.
const Forgotten = "(forgotten sites)"

func (p past) add(key siteKey, s Site, age uint32) {
	if s.Created == 0 {
		return
	}
	known := p[key]
	if known == nil {
		known = &pastSite{Site: s}
		p[key] = known
	} else {
		known.Created += s.Created
		known.Released += s.Released
	}
	known.used = age
}

// bound gives up the sites that were not used for longest, when there are too
// many. One with a stack in use stays: its counts would shrink.
func (p past) bound(now uint32) {
	if len(p) <= maxPast {
		return
	}
	keys := slices.SortedFunc(maps.Keys(p), func(a, b siteKey) int { return cmp.Compare(p[a].used, p[b].used) })
	for _, key := range keys[:len(keys)-maxPast*3/4] {
		if s := p[key]; s.used != now && s.Group != Forgotten {
			delete(p, key)
			p.giveUp(s.Site, key.scope, now)
		}
	}
}

func (p past) giveUp(s Site, scope, now uint32) {
	key := siteKey{s.Kind, symbol.Fingerprint(string(s.Kind)+" "+Forgotten, nil), scope}
	p.add(key, Site{
		Kind: s.Kind, Scope: s.Scope, Fingerprint: key.fingerprint, Group: Forgotten,
		Stack: Stack{Site: -1, Quality: NoStack}, Created: s.Created, Released: s.Released,
	}, now)
}

// pruneRescued forgets the rescued stacks that no id stands for any more.
func (ss *stacks) pruneRescued() {
	used := make(map[*stack]bool, len(ss.known))
	for _, known := range ss.known {
		used[known] = true
	}
	maps.DeleteFunc(ss.rescued, func(_ string, known *stack) bool { return !used[known] })
}
