package tracer

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leaktrace/leaktrace/tracer/goroutine"
)

// outcome is what a verification returns: an error, or that goroutine 1 is unreachable.
type outcome struct{ err error }

var (
	good    = outcome{}
	large   = outcome{errors.New("its heap is too large")}
	stopped = outcome{fmt.Errorf("scan: %w", goroutine.ErrStopped)}
	gone    = outcome{fmt.Errorf("scan: %w", os.ErrProcessDone)}
	hung    = outcome{errHung}
)

// verifying is a tracer of Go programs of which nothing is in the kernel.
func verifying() *Tracer {
	return &Tracer{verifier: newVerifier(), goroutines: newGoroutines(), processes: make(map[int]*process)}
}

// golang adds a process with so many goroutines that wait.
func (t *Tracer) golang(pid, waiting int, comm string) *goProcess {
	p := &goProcess{process: Process{PID: pid, Comm: comm}, known: make(map[uint64]*goWait), sites: []*goSite{{}}}
	for id := range waiting {
		p.known[uint64(id+1)] = &goWait{site: p.sites[0], pc: 7}
		p.sites[0].waiting = append(p.sites[0].waiting, Object{ID: id + 1, Goroutine: new(GoroutineInfo)})
	}
	t.goroutines.byProcess[processKey{pid: pid}] = p
	return p
}

func TestOutcomes(t *testing.T) {
	five := Process{PID: 5, Comm: "orders"}
	failed := "the last verification of goroutines of orders (pid 5) failed, and what is told of them is of 04:05:06: its heap is too large"
	for _, test := range []struct {
		name     string
		outcomes []outcome
		ended    bool
		verified []Verification
		notes    []string
	}{
		{"not yet", nil, false, nil, []string{"goroutines of orders (pid 5) are not verified yet: there was no time"}},
		{"never", nil, true, nil, []string{"goroutines of orders (pid 5) were not verified: it ended before"}},
		{"once", []outcome{good}, false, []Verification{{five, 2, 1, time.Minute}}, nil},
		{"twice, and it has ended", []outcome{good, good, gone}, true, []Verification{{five, 4, 1, time.Minute}}, nil},
		{"stopped", []outcome{good, stopped}, false, []Verification{{five, 2, 1, time.Minute}}, nil},
		{"stopped the first time", []outcome{stopped}, false, nil, []string{"goroutines of orders (pid 5) are not verified yet: there was no time"}},
		{"it ends the first time", []outcome{gone}, true, nil, []string{"goroutines of orders (pid 5) were not verified: it ended before"}},
		{"too large", []outcome{large}, false, nil, []string{"goroutines of orders (pid 5) are not verified: its heap is too large"}},
		{"too large, and it has ended", []outcome{large, gone}, true, nil, []string{"goroutines of orders (pid 5) are not verified: its heap is too large"}},
		{"too large now", []outcome{good, large}, false, []Verification{{five, 2, 1, time.Minute}}, []string{failed}},
		{"too large at last", []outcome{good, large}, true, []Verification{{five, 2, 1, time.Minute}}, []string{failed}},
		{"too large for a while", []outcome{large, good}, false, []Verification{{five, 2, 1, time.Minute}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			tracer := verifying()
			defer tracer.verifier.close()
			p := tracer.golang(five.PID, 1, five.Comm)
			for _, o := range test.outcomes {
				tracer.verified(p, map[uint64]goroutine.Goroutine{1: {ID: 1, PC: 7}}, goroutine.Scans, o.err)
			}
			at := time.Date(2026, 1, 1, 4, 5, 6, 0, time.UTC)
			if !p.verification.at.IsZero() {
				p.verification.at = at
			}
			now := at.Add(time.Minute)
			if test.ended {
				tracer.readGoroutines(nil, now)
				now = now.Add(time.Hour)
			}
			if diff := cmp.Diff(test.verified, tracer.goroutines.verifications(now)); diff != "" {
				t.Errorf("verified (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(test.notes, tracer.unverified(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("notes (-want +got)\n%s", diff)
			}
			scans := 0
			if len(test.verified) > 0 {
				scans = test.verified[0].Scans
			}
			if got := p.sites[0].waiting[0].Goroutine.Unreachable; got != scans {
				t.Errorf("the goroutine is unreachable in %d scans, want %d", got, scans)
			}
		})
	}
}

// TestManyUnverified has many processes that are not verified take two lines.
func TestManyUnverified(t *testing.T) {
	tracer := verifying()
	defer tracer.verifier.close()
	for pid, waiting := range []int{0, 3, 7, 7} {
		tracer.golang(10+pid, waiting, "compile")
	}
	tracer.readGoroutines(nil, time.Now())
	tracer.golang(20, 1, "orders")
	tracer.golang(21, 0, "vet")
	want := []string{
		"goroutines of compile (pid 12) and 3 others were not verified: they ended before",
		"goroutines of orders (pid 20) and another are not verified yet: there was no time",
	}
	if diff := cmp.Diff(want, tracer.unverified()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestVerifiable has those be verified first of which least is known, and never those
// that are not read, or whose memory does not come.
func TestVerifiable(t *testing.T) {
	tracer := verifying()
	defer tracer.verifier.close()
	for pid, waiting := range []int{9, 3, 50, 7, 1, 2, 4} {
		tracer.golang(pid, waiting, "a")
	}
	of := func(pid int) *goProcess { return tracer.goroutines.byProcess[processKey{pid: pid}] }
	tracer.verified(of(1), nil, 1, nil)
	of(4).err = errors.New("it is not read")
	of(5).sites = nil
	for range mostHangs {
		tracer.verified(of(6), nil, 0, hung.err)
	}
	var got []int
	for _, v := range tracer.verifiable() {
		got = append(got, v.pid)
	}
	if want := []int{3, 0, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("got %d, want %d", got, want)
	}
}

// TestReplaced has an image that was looked at be told of when there is another, and none
// that was not: it is the one that forked.
func TestReplaced(t *testing.T) {
	tracer := verifying()
	defer tracer.verifier.close()
	tracer.golang(7, 3, "before")
	tracer.golang(8, 0, "forks").sites = nil
	tracer.golang(9, 0, "brief").sites = nil
	tracer.golang(10, 0, "old").err = errors.New("goroutines of old (pid 10) are not read: it is too old")
	var processes []ProcessActivity
	for pid := 7; pid <= 8; pid++ {
		tracer.processes[pid] = &process{pid: pid, space: &space{startStack: 1}}
		processes = append(processes, ProcessActivity{Process: Process{PID: pid}})
	}
	tracer.readGoroutines(processes, time.Now())
	tracer.readGoroutines(nil, time.Now())
	want := []string{
		"goroutines of old (pid 10) are not read: it is too old",
		"goroutines of before (pid 7) and another were not verified: they ended before",
	}
	if diff := cmp.Diff(want, slices.Concat(tracer.goroutines.notes(), tracer.unverified())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
