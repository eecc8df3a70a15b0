package tracer

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// maxVerified is of how many processes that have ended the verifications are kept.
const maxVerified = 100

// verifications is what is left of processes that have ended.
type verifications struct {
	done   []Verification
	failed []string // why the last ones found nothing, of the last maxNotes of them
	// untried is how many processes ended before their first, and most who of them had
	// most goroutines, and how many.
	untried int
	most    Process
	waiting int
}

// endVerification notes what was found of a process that has ended, and if that is nothing
// why.
func (t *Tracer) endVerification(p *goProcess, now time.Time) {
	ended, v := &t.goroutines.verified, &p.verification
	if t.verifier == nil || p.process.PID == 0 {
		return
	}
	if v.scans > 0 {
		ended.done = last(append(ended.done, p.verifiedUntil(now)), maxVerified)
	}
	switch {
	case p.err != nil: // that is told as it is
	case v.failed != nil:
		ended.failed = last(append(ended.failed, p.failure()), maxNotes)
	case v.scans == 0:
		ended.count(p)
	}
}

// replaced notes what was found in an image that there is another of now. One that was never
// looked at twice is what forked this process, most likely.
func (t *Tracer) replaced(p *goProcess, now time.Time) {
	if len(p.sites) > 0 {
		t.endVerification(p, now)
	}
}

// count counts a process that was not verified.
func (v *verifications) count(p *goProcess) {
	n := p.waiting()
	if v.untried == 0 || n > v.waiting || n == v.waiting && p.process.PID < v.most.PID {
		v.most, v.waiting = p.process, n
	}
	v.untried++
}

// last is the last n of some at most.
func last[T any](all []T, n int) []T { return all[max(0, len(all)-n):] }

// waiting counts the goroutines that wait.
func (p *goProcess) waiting() (n int) {
	for _, s := range p.sites {
		n += len(s.waiting)
	}
	return n
}

func (p *goProcess) verifiedUntil(now time.Time) Verification {
	v := &p.verification
	return Verification{p.process, v.scans, v.unreachable, max(0, now.Sub(v.at))}
}

// failure says why the last verification found nothing, and which one did before.
func (p *goProcess) failure() string {
	v := &p.verification
	if v.scans > 0 {
		return fmt.Sprintf("the last verification of goroutines of %s failed, and what is told of them is of %s: %v",
			p.process.title(), v.at.Format(time.TimeOnly), v.failed)
	}
	return fmt.Sprintf("goroutines of %s are not verified: %v", p.process.title(), v.failed)
}

func (p Process) title() string { return fmt.Sprintf("%s (pid %d)", p.Comm, p.PID) }

// verifications are those of all processes, those with most that is unreachable first.
func (g *goroutines) verifications(now time.Time) []Verification {
	all := slices.Clone(g.verified.done)
	for _, p := range g.byProcess {
		if p.verification.scans > 0 {
			all = append(all, p.verifiedUntil(now))
		}
	}
	slices.SortFunc(all, func(a, b Verification) int {
		return cmp.Or(
			cmp.Compare(b.Unreachable, a.Unreachable),
			cmp.Compare(a.Process.PID, b.Process.PID), cmp.Compare(a.Process.Start, b.Process.Start),
		)
	})
	return all
}

// unverified says whose goroutines are not verified though that was asked for, and why.
func (t *Tracer) unverified() (notes []string) {
	if t.verifier == nil {
		return nil
	}
	notes = slices.Clone(t.goroutines.verified.failed)
	var young verifications
	for _, p := range t.goroutines.byProcess {
		switch v := &p.verification; {
		case v.failed != nil:
			notes = append(notes, p.failure())
		case v.scans == 0 && p.err == nil && p.process.PID != 0:
			young.count(p)
		}
	}
	slices.Sort(notes)
	notes = notes[:min(len(notes), maxNotes)]
	notes = append(notes, t.goroutines.verified.note("were not verified: it ended before", "were not verified: they ended before")...)
	const yet = "are not verified yet: there was no time"
	return append(notes, young.note(yet, yet)...)
}

// note names the processes that were not verified, by one of them, and says why of one or
// of many.
func (v *verifications) note(one, many string) []string {
	who := "goroutines of " + v.most.title()
	switch v.untried {
	case 0:
		return nil
	case 1:
		return []string{who + " " + one}
	case 2:
		return []string{who + " and another " + many}
	}
	return []string{fmt.Sprintf("%s and %d others %s", who, v.untried-1, many)}
}
