package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// The first stack in a library that was loaded just now is as good as any.
func TestDlopen(t *testing.T) {
	for name, begin := range map[string]begin{"run": run, "attach": attach} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, tracer.Options{}, "dlopen")
			told := s.do("go 3")
			shot := s.snapshot()
			s.check(shot, map[string]tally{
				"zombie plugin_leak_child": threeKept, "thread plugin_leak_thread": threeKept,
			})
			s.complete(shot)
			s.checkIDs("zombies", ofKind(shot, tracer.Zombie), byID, told.ZombiePIDs)
			s.checkIDs("threads", ofKind(shot, tracer.Thread), byID, told.ThreadTIDs)
			for _, site := range shot.Sites {
				if site.Stack.Site < 0 {
					continue // wrong, and reported above
				}
				frame := site.Stack.Frames[site.Stack.Site]
				if filepath.Base(frame.Module) != "plugin.so" || filepath.Base(frame.File) != "plugin.c" {
					t.Errorf("the site is in %s, %s", frame.Module, frame.File)
				}
			}
		})
	}
}

// A new image begins with complete stacks of its own; zombies of the old one
// stay and keep their site, its threads are gone.
func TestExec(t *testing.T) {
	for name, begin := range map[string]begin{"run": run, "attach": attach} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := begin(t, tracer.Options{}, "exec")
			old := s.do("leak 2")
			s.check(s.snapshot(), map[string]tally{"zombie leak_before_exec": {Outstanding: 2, Created: 2}})

			told := s.do("go 3")
			shot := s.snapshot()
			s.check(shot, map[string]tally{
				"zombie leak_before_exec": {Outstanding: 2, Created: 2},
				"zombie leak_child":       threeKept, "thread leak_thread": threeKept,
			})
			s.checkIDs("zombies of the old image", s.outstanding(shot, tracer.Zombie, "leak_before_exec"), byID, old.ZombiePIDs)
			s.checkIDs("zombies of the new image", s.outstanding(shot, tracer.Zombie, "leak_child"), byID, told.ZombiePIDs)
			s.checkIDs("threads", s.outstanding(shot, tracer.Thread, "leak_thread"), byID, told.ThreadTIDs)

			s.do("leak 1")
			told = s.do("go 1")
			shot = s.snapshot()
			s.check(shot, map[string]tally{
				"zombie leak_before_exec": threeKept,
				"zombie leak_child":       {Outstanding: 4, Created: 4},
				"thread leak_thread":      {Outstanding: 1, Created: 4, Released: 3},
				// exec ended three; none of them is held.
				"unjoined-thread leak_thread": threeGone,
			})
			s.checkIDs("threads", s.outstanding(shot, tracer.Thread, "leak_thread"), byID, told.ThreadTIDs)
			s.complete(shot)
		})
	}
}

// Images come and go by the hundred, and the tracer lets go of every one.
func TestManyImages(t *testing.T) {
	const images = 300
	open := descriptors(t)
	t.Run("exec", func(t *testing.T) {
		s := run(t, tracer.Options{}, "exec")
		for range images {
			s.do("go 0")
		}
		s.do("go 3")
		shot := s.snapshot()
		s.check(shot, map[string]tally{"zombie leak_child": threeKept, "thread leak_thread": threeKept})
		s.complete(shot)
	})
	t.Run("children", func(t *testing.T) {
		script := fmt.Sprintf("n=0; while [ $n -lt %d ]; do n=$((n+1)); /bin/true; done; %s zombie thread; exit",
			images, filepath.Join(programs, "leaky-o2"))
		s := run(t, tracer.Options{Follow: true}, "/bin/sh", "-c", script)
		s.do("go 3")
		shot := s.snapshot()
		s.checkTallies(shot, leakyUnderShell, s.leakyTally(shot))
		s.complete(shot)
	})
	if left := descriptors(t); left > open {
		t.Errorf("%d descriptors are open, %d were before", left, open)
	}
}

// descriptors counts what this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
