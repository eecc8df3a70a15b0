//go:build releases

package goroutine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestVerifyReleases is TestVerify with each release of Go.
func TestVerifyReleases(t *testing.T) {
	for _, release := range releases {
		for _, v := range variants {
			t.Run(release+" "+v.name, func(t *testing.T) {
				part := half
				if v.name == "race" {
					part = none
				}
				verifyLeaks(t, build(t, "leaks", release, v.env, v.flags...), release >= "go1.26", part)
			})
		}
	}
}

// profiled are the releases that have a goroutineleak profile.
var profiled = []string{"go1.26.8", "go1.27.4"}

// withProfile is what it takes to build a program that has it.
func withProfile(release string) string {
	if strings.HasPrefix(release, "go1.26.") {
		return "GOEXPERIMENT=goroutineleakprofile"
	}
	return "GOEXPERIMENT=" // since Go 1.27 all have
}

// profile is what is found of goroutines, by where they were started and why they wait,
// beside what Go's own profile says of them.
type profile struct{ both, ours, theirs int }

// compareWithProfile verifies a program, and then has it look for leaks itself.
func compareWithProfile(t *testing.T, p *target) map[string]profile {
	t.Helper()
	r := open(t, p.pid())
	found, _, err := r.Verify(generous())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.in.Write([]byte{'\n'}); err != nil {
		t.Fatal(err)
	}
	p.line("looked %d")
	out := make(map[string]profile)
	_, err = r.Scan(nil, func(g *Goroutine, _ []uint64) {
		_, ours := found[g.ID]
		place := "?"
		if places := r.places(g.Creator); len(places) > 0 {
			place = filepath.Base(places[0])
		}
		place += " " + r.Reason(g.Reason)
		n := out[place]
		switch theirs := g.Status == Leaked; {
		case ours && theirs:
			n.both++
		case ours:
			n.ours++
		case theirs:
			n.theirs++
		default:
			return
		}
		out[place] = n
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// unlike lists the places of which our verdict is another than Go's own, and sums up.
func unlike(places map[string]profile) (other []string, sum profile) {
	for place, n := range places {
		sum = profile{sum.both + n.both, sum.ours + n.ours, sum.theirs + n.theirs}
		if n.ours > 0 || n.both == 0 {
			other = append(other, place)
		}
	}
	slices.Sort(other)
	return other, sum
}

// TestProfile compares with Go's own profile of testdata/leaks: the same places, but no
// goroutine more.
func TestProfile(t *testing.T) {
	for _, release := range profiled {
		t.Run(release, func(t *testing.T) {
			p := runLeaks(t, build(t, "leaks", release, []string{withProfile(release)}))
			other, sum := unlike(compareWithProfile(t, p))
			// Go's own profile says that nobody can have again what weak pointers lead to.
			other = slices.DeleteFunc(other, func(place string) bool { return strings.HasPrefix(place, "weak.go:") })
			t.Logf("both %d, only ours %d, only theirs %d", sum.both, sum.ours, sum.theirs)
			if len(other) > 0 || sum.both == 0 {
				t.Errorf("the verdict is another on %q", other)
			}
		})
	}
}

// buildKernels builds the programs by which Go tests its profile, those of its own and, in
// goker, those of the GoKer collection, with testdata/kernels/main.go in place of main.go.
func buildKernels(t *testing.T, toolchain, sub string) string {
	t.Helper()
	env := append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", withProfile(toolchain), "GOTOOLCHAIN="+toolchain)
	where := exec.Command("go", "env", "GOROOT")
	where.Env = env
	root, err := where.Output()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(strings.TrimSpace(string(root)), "src/runtime/testdata/testgoroutineleakprofile", sub)
	temp := t.TempDir()
	if err := os.CopyFS(temp, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"main.go", "go.mod"} {
		text, err := os.ReadFile(filepath.Join("testdata/kernels", own))
		if err == nil {
			err = os.WriteFile(filepath.Join(temp, own), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(temp, "kernels")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir, cmd.Env = temp, env
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return path
}

// missedKernels are the places all of whose goroutines are missed in most runs: few wait
// there, for a channel that is still in a word of a stack that is not in use. That may be a
// variable that is not needed any more, or the memory was before the stack of the one that
// made the channel. Go knows which words are in use; here each one counts. Of any other
// place that can happen too, but not in each of some runs.
var missedKernels = []string{
	"commonpatterns.go:181 chan send",  // EarlyReturn: one
	"commonpatterns.go:215 chan send",  // NCastLeak: four
	"kubernetes25331.go:69 chan send",  // one
	"kubernetes38669.go:65 chan send",  // one
	"moby28462.go:121 sync.Mutex.Lock", // with Go 1.27: one
	"moby28462.go:122 chan send",       // and the one that it waits for
}

// mostRuns is how often a program is run of which a place is missed.
const mostRuns = 5

// TestKernels compares with Go's own profile of the programs by which Go tests that.
func TestKernels(t *testing.T) {
	for _, release := range profiled {
		for _, sub := range []string{"", "goker"} {
			t.Run(release+" "+sub, func(t *testing.T) {
				path := buildKernels(t, release, sub)
				names, err := exec.Command(path).Output()
				if err != nil {
					t.Fatal(err)
				}
				var all profile
				programs := strings.Fields(string(names))
				for _, name := range programs {
					missed, sum := compareKernel(t, path, name)
					all = profile{all.both + sum.both, all.ours + sum.ours, all.theirs + sum.theirs}
					if sum.theirs > sum.both/10 {
						t.Logf("%s: both %d, only theirs %d", name, sum.both, sum.theirs)
					}
					if len(missed) > 0 {
						t.Errorf("%s: missed %q", name, missed)
					}
				}
				t.Logf("%d programs: both %d, only ours %d, only theirs %d", len(programs), all.both, all.ours, all.theirs)
				// MutexHeap has near half of all goroutines, and one word that is not in use
				// can lead to many of those: from each to the next.
				if all.ours > 0 || all.both < all.theirs {
					t.Errorf("the verdict is another: %+v", all)
				}
			})
		}
	}
}

// compareKernel compares one program, and lists the places that were missed whenever the
// profile had them. The sum is that of the first run, and of all what only we found.
func compareKernel(t *testing.T, path, name string) (missed []string, sum profile) {
	t.Helper()
	for n := range mostRuns {
		p := run(t, path, name)
		p.line("done %d")
		places := compareWithProfile(t, p)
		_ = p.cmd.Process.Kill()
		for place, n := range places {
			if n.ours > 0 {
				t.Errorf("%s: %s: only ours %d, both %d", name, place, n.ours, n.both)
			}
		}
		other, now := unlike(places)
		if n == 0 {
			sum, missed = now, other
		} else {
			sum.ours += now.ours
		}
		missed = slices.DeleteFunc(missed, func(place string) bool {
			return places[place].both > 0 || slices.Contains(missedKernels, place)
		})
		if len(missed) == 0 {
			break
		}
	}
	return missed, sum
}

// TestMoving verifies again and again while the program moves what it knows. What one scan
// alone says is counted, and may be wrong now and then.
func TestMoving(t *testing.T) {
	const goroutines = 15_000
	for i, release := range releases {
		t.Run(release, func(t *testing.T) {
			rounds := 10
			if i == len(releases)-1 {
				rounds = 60
			}
			p := run(t, build(t, "moving", release, nil, "-ldflags=-s -w"), strconv.Itoa(goroutines), "0")
			p.line("ready %d")
			r := open(t, p.pid())
			wrong, found, once, restless := 0, 0, 0, 0
			var took time.Duration
			for n := 0; n < rounds && restless < rounds; {
				one, err := r.unreachable(generous())
				var both map[uint64]Goroutine
				if err == nil {
					once += waits(t, r, one, "keep")
					took += timeOf(t, func() { both, _, err = r.Verify(generous()) })
				}
				if errors.Is(err, errCollected) {
					restless++
					continue
				}
				if n++; err != nil {
					t.Fatal(err)
				}
				wrong, found = wrong+waits(t, r, both, "keep"), found+waits(t, r, both, "leak")
			}
			t.Logf("%d rounds: %d of %d found, %d wrong; of one scan %d; %d without a verdict; %s of processor time each",
				rounds, found, rounds*goroutines/10, wrong, once, restless, took/time.Duration(rounds))
			if wrong > 0 || found < rounds*goroutines/10*9/10 {
				t.Errorf("%d wrong, %d found", wrong, found)
			}
		})
	}
}

// waits counts the goroutines whose function's name begins so.
func waits(t *testing.T, r *Runtime, found map[uint64]Goroutine, name string) (n int) {
	t.Helper()
	wants := func(g *Goroutine) bool { _, ok := found[g.ID]; return ok }
	_, err := r.Scan(wants, func(_ *Goroutine, stack []uint64) {
		for _, function := range r.functions(stack) {
			if strings.HasPrefix(function, "main."+name) {
				n++
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLargeHeap measures what it costs to verify 15,000 goroutines, and beside them a heap
// of 500 MB.
func TestLargeHeap(t *testing.T) {
	for _, megabytes := range []int{0, 500} {
		t.Run(fmt.Sprint(megabytes, " MB"), func(t *testing.T) {
			p := run(t, build(t, "moving", "", nil), "15000", strconv.Itoa(megabytes), "still")
			p.line("ready %d")
			r := open(t, p.pid())
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			found, limits := 0, generous()
			took := timeOf(t, func() {
				all, _, err := r.Verify(limits)
				if err != nil {
					t.Fatal(err)
				}
				found = len(all)
			})
			runtime.ReadMemStats(&after)
			t.Logf("%d found, %s of processor time, %d MB allocated", found, took, (after.TotalAlloc-before.TotalAlloc)>>20)
			if took > 20*time.Second || found < 1500*9/10 {
				t.Errorf("%d found in %s", found, took)
			}
		})
	}
}
