package metrics

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

// crowd is a node of 500 containers, one of which has 10,000 leaking sites and 200
// programs. Every site leaks ten zombies.
type crowd struct{ snapshot tracer.Snapshot }

const (
	crowdContainers = 500
	crowdSites      = 10_000
	crowdPrograms   = 200
)

func newCrowd(began time.Time) *crowd {
	c := &crowd{tracer.Snapshot{Time: began, StackQuality: map[tracer.Quality]uint64{tracer.Complete: crowdSites}}}
	s := &c.snapshot
	for i := range crowdContainers {
		s.Processes = append(s.Processes, c.process(i, "main"))
		s.Sites = append(s.Sites, c.site(i, "main", 0))
	}
	for i := range crowdPrograms {
		s.Processes = append(s.Processes, c.process(0, fmt.Sprintf("p%d", i)))
	}
	for i := range crowdSites {
		s.Sites = append(s.Sites, c.site(0, fmt.Sprintf("p%d", i%crowdPrograms), i))
	}
	return c
}

func (c *crowd) Snapshot() (*tracer.Snapshot, error) {
	c.snapshot.Time = c.snapshot.Time.Add(10 * time.Second)
	s := c.snapshot
	return &s, nil
}

func (c *crowd) process(container int, program string) tracer.ProcessActivity {
	p := tracer.ProcessActivity{Scope: tracer.Scope{Cgroup: fmt.Sprintf("/pods/%d", container), Program: program}}
	p.PID = container + 1
	return p
}

func (c *crowd) site(container int, program string, number int) tracer.Site {
	p := c.process(container, program)
	s := tracer.Site{
		Kind: tracer.Zombie, Scope: p.Scope, Fingerprint: fmt.Sprintf("%016x", number), Created: 100, Released: 90,
		Stack: tracer.Stack{Frames: []symbol.Frame{{
			Function: fmt.Sprintf("function_%d", number), File: "/src/main.c", Line: 1 + number, Module: "/app/bin",
		}}},
	}
	since := c.snapshot.Time.Add(-time.Hour)
	for i := range 10 {
		s.Outstanding = append(s.Outstanding, tracer.Object{
			Kind: tracer.Zombie, ID: number*10 + i + 1, Created: since, Since: since, BeforeTracing: true,
			Owner: p.Process, Zombie: &tracer.ZombieInfo{Reaper: p.Process},
		})
	}
	return s
}

func (c *crowd) Parked([]tracer.Object) ([]tracer.Parked, error) { return nil, nil }
func (c *crowd) Costs() []tracer.Cost                            { return nil }

// crowded watches the crowd for some snapshots.
func crowded(t *testing.T, snapshots int) *node.State {
	t.Helper()
	settings := node.DefaultSettings()
	settings.Interval = time.Millisecond
	began := time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)
	w := node.New(newCrowd(began), node.Options{
		Node: "node-a", Started: began, Settings: func() node.Settings { return settings },
		Owner: func(cgroup string) workload.Workload {
			return workload.Workload{Namespace: "shop", Pod: cgroup, Container: "app"}
		},
		Limits: func(processes []tracer.Process) (map[int][]limit.Limit, error) {
			all := make(map[int][]limit.Limit)
			for _, p := range processes {
				all[p.PID] = []limit.Limit{{
					Name: fmt.Sprintf("pids.max of %d", p.PID), Resource: limit.Tasks,
					Each: map[tracer.Kind]uint64{tracer.Zombie: 1}, Used: 10, Max: 100, Shared: true,
				}}
			}
			return all, nil
		},
		Took: func(d time.Duration) { t.Logf("judged in %s", d) },
	})
	for range snapshots {
		if err := w.Step(); err != nil {
			t.Fatal(err)
		}
	}
	return w.State()
}

// How many series there are is a matter of containers and programs, not of sites,
// and a scrape of all is quick.
func TestCrowd(t *testing.T) {
	m := metricsOf(crowded(t, 3))
	server := httptest.NewServer(promhttp.HandlerFor(m, promhttp.HandlerOpts{}))
	defer server.Close()
	var text string
	best := time.Hour
	for range 5 { // the machine may be busy with something else
		began := time.Now()
		text = get(t, server.URL)
		best = min(best, time.Since(began))
	}
	series := map[string]int{}
	for line := range strings.Lines(text) {
		if name, _, found := strings.Cut(line, "{"); found && strings.HasPrefix(name, prefix) {
			series[name]++
		}
	}
	t.Logf("a scrape of %d series and %d KiB takes %s", strings.Count(text, "\n")-strings.Count(text, "#"), len(text)>>10, best)
	// 15 programs and the others in the first container, one in each of the others.
	const programs = crowdContainers - 1 + 16
	for name, want := range map[string]int{
		"leaktrace_objects": programs, "leaktrace_leaked_objects": programs, "leaktrace_limit_used_ratio": programs,
		"leaktrace_objects_created_total": programs, "leaktrace_oldest_object_age_seconds": programs,
		// In the others one site each; in the first ten, and for each program the rest,
		// but for main, whose only site is one of the ten.
		"leaktrace_site_leaked_objects": crowdContainers - 1 + 10 + 15,
	} {
		if series[name] != want {
			t.Errorf("%d series of %s, want %d", series[name], name, want)
		}
	}
	if best > 100*time.Millisecond {
		t.Errorf("the fastest of five scrapes took %s, want at most 100 ms", best)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
