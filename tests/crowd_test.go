package tests

import (
	"testing"

	"github.com/leaktrace/leaktrace/tracer"
)

// Of 20,000 sockets and 2,000 threads, created by 10,500 distinct stacks and
// used by 9,500 others, every one is there, each put down to its own stack.
func TestCrowd(t *testing.T) {
	const processes, sockets, threads, stacks = 2, 10000, 1000, 9500
	s := run(t, tracer.Options{Follow: true}, "crowd", "2", "10000", "1000", "9500")
	s.do("start")
	told := s.do("go")
	shot := s.snapshot()
	s.check(shot, addAccepts(map[string]tally{
		"close-wait leak_socket": {Outstanding: told.CloseWait, Created: processes * sockets},
		"thread leak_thread":     {Outstanding: told.Threads, Created: processes * threads},
		"zombie start":           {Created: processes},
	}, "go", processes*sockets))
	s.complete(shot)
	sites := make(map[tracer.Kind]int)
	for _, site := range shot.Sites {
		if len(site.Outstanding) > 0 {
			sites[site.Kind]++
		}
	}
	if sites[tracer.CloseWait] != stacks || sites[tracer.Thread] != threads {
		t.Errorf("%d sites of sockets and %d of threads, want %d and %d", sites[tracer.CloseWait], sites[tracer.Thread], stacks, threads)
	}
}
