package export

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

// node is two workloads that have one site in common, and something hostile.
func node() *Report {
	last := &tracer.Snapshot{Time: began.Add(15 * time.Second)}
	clean(last)
	part := func(w Workload, sites []tracer.Site) Part {
		h := verdict.New(began, 3*time.Second)
		for s := range 16 {
			watchOnce(h, sites, time.Duration(s)*time.Second)
		}
		return Part{w, h.Sites()}
	}
	evil := services()[0]
	evil.Outstanding = children(born(2, 1), target)
	cart := Workload{"shop", "cart-7d9f6c5b4-x2x2x", "app", "node-a", "orders", "/kubepods/burstable/pod1/abc"}
	parts := []Part{
		part(Workload{"", "", "evil\x1b[2J.service", "node-a", "\u202e/;", "/system.slice/evil\n.service"}, []tracer.Site{evil}),
		part(cart, []tracer.Site{services()[0], services()[3], services()[4]}),
	}
	return NewNodeReport(Setting{
		Started: began, OwnLimits: limit.Own{tracer.Zombie: 20}, Overhead: Overhead{CPUSeconds: 0.213, RSSBytes: 41 << 20},
	}, Node{
		Name: "node-a", MinAge: 3 * time.Second, Parts: parts, Last: last,
		Bounds: NewBounds(map[int][]limit.Limit{target.PID: {tasks}}, SitesOf(parts)),
	})
}

func watchOnce(h *verdict.History, sites []tracer.Site, after time.Duration) {
	s := &tracer.Snapshot{Time: began.Add(after)}
	for _, site := range sites {
		var outstanding []tracer.Object
		for _, o := range site.Outstanding {
			if !o.Since.After(s.Time) {
				outstanding = append(outstanding, o)
			}
		}
		site.Outstanding = outstanding
		s.Sites = append(s.Sites, site)
	}
	h.Add(s)
}

// What one workload is allowed another does not use up.
func TestNodeOwnLimits(t *testing.T) {
	got := map[string]uint64{}
	for _, s := range node().Sites {
		for _, l := range s.Limits {
			if l.Resource == limit.Objects {
				got[s.Workload.Namespace] = l.Used
			}
		}
	}
	if diff := cmp.Diff(map[string]uint64{"": 2, "shop": 15}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAccepted(t *testing.T) {
	h := verdict.New(began, time.Second)
	watchOnce(h, services(), 15*time.Second)
	list := []Suppression{
		{Kind: "thread", Function: "Thumbnailer::run()", Reason: "another kind"},
		{Kind: "zombie", Function: "Thumbnailer::run()", Reason: "a caller"},
		{Kind: "*", Function: "Thumb*", Reason: "later"},
		{Kind: "thread", Function: "(before tracing*)", Reason: "old"},
	}
	got := map[string]string{}
	for _, s := range h.Sites() {
		if reason := Accepted(list, s); reason != "" {
			got[s.Fingerprint] = reason
		}
	}
	if diff := cmp.Diff(map[string]string{"b1a6": "a caller", "77e2": "old"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestTitle(t *testing.T) {
	h := verdict.New(began, time.Second)
	watchOnce(h, services(), 15*time.Second)
	got := map[string]string{}
	for _, s := range h.Sites() {
		got[s.Fingerprint] = Title(s, 40)
	}
	for fingerprint, want := range map[string]string{
		"b1a6": "Thumbnailer::spawn() (thumbnail.cc:57)",
		"77e0": "start() (flusher_threads.cc:214)",
		"77e2": "(before tracing: timer-N)",
		"b1a7": "libacme.so.2+0x1c2f0",
	} {
		if got[fingerprint] != want {
			t.Errorf("%s: %q, want %q", fingerprint, got[fingerprint], want)
		}
	}
}
