package node

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/export/workload"
	"github.com/leaktrace/leaktrace/tracer"
)

func of(namespace, pod, container string) workload.Workload {
	return workload.Workload{Namespace: namespace, Pod: pod, Container: container}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                         "",
		"nginx":                    "nginx",
		`dev-disk-by\x2dlabel.dev`: `dev-disk-by\x2dlabel.dev`,
		"a\nb\x1b[2J":              `a\x0ab\x1b[2J`,
		"\xff":                     `\xff`,
		"a\u202eb":                 `a\xe2\x80\xaeb`,
		"größe":                    "größe",
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, long := range []string{strings.Repeat("ß", 1000), strings.Repeat("\xff", 1000)} {
		if got := printable(long); utf8.RuneCountInString(got) != maxLabel || !utf8.ValidString(got) {
			t.Errorf("%d characters: %q", utf8.RuneCountInString(got), got)
		}
	}
}

// A container that makes up names has no more than so many at a time.
func TestProgramsAreBounded(t *testing.T) {
	l := newLabeller()
	c, other := of("shop", "a", "app"), of("shop", "b", "app")
	seen := map[Label]bool{}
	seen[l.label(c, tracer.OtherPrograms, began)] = true // takes no place of one with a name
	for i := range 1000 {
		now := began.Add(time.Duration(i) * time.Second)
		seen[l.label(c, fmt.Sprintf("p%d", i), now)] = true
		seen[l.label(c, "p1", now)] = true
		seen[l.label(other, "x", now)] = true
		l.forget(now)
	}
	if len(seen) != maxPrograms+2 || !seen[Label{c, tracer.OtherPrograms}] {
		t.Errorf("%d labels, want %d: %v", len(seen), maxPrograms+2, seen)
	}
	later := began.Add(999*time.Second + keepProgram)
	l.label(c, "p1", later)
	l.forget(later)
	if got := l.label(c, "new", later); got.Comm != "new" {
		t.Errorf("an hour later a new program is called %q", got.Comm)
	}
	if _, kept := l.programs[other]; kept {
		t.Error("a container that has ended is kept")
	}
}

func TestCounter(t *testing.T) {
	c := newCounter[string, string]()
	round := func(set map[string]uint64, label string) map[string]uint64 {
		for source, n := range set {
			c.set(source, label, n)
		}
		return c.finish()
	}
	for i, tt := range []struct {
		set   map[string]uint64
		label string
		want  map[string]uint64
	}{
		{map[string]uint64{"a": 3, "b": 2}, "x", map[string]uint64{"x": 5}},
		{map[string]uint64{"a": 2, "b": 4}, "x", map[string]uint64{"x": 7}}, // a counter that fell
		{map[string]uint64{"b": 5}, "x", map[string]uint64{"x": 8}},         // one that ended
		{map[string]uint64{"b": 6}, "y", map[string]uint64{"y": 6}},         // all have another label now
		{map[string]uint64{"b": 6, "c": 1}, "y", map[string]uint64{"y": 7}}, // one more
		{map[string]uint64{"a": 1}, "x", map[string]uint64{"x": 1}},         // the label begins anew
		{nil, "", map[string]uint64{}},
	} {
		if diff := cmp.Diff(tt.want, round(tt.set, tt.label)); diff != "" {
			t.Errorf("round %d: %s", i, diff)
		}
	}
	if len(c.sources)+len(c.past) != 0 {
		t.Errorf("kept: %v %v", c.sources, c.past)
	}
	c.set("a", "x", 3)
	c.set("b", "x", 1)
	c.finish()
	c.set("a", "y", 3)
	c.set("b", "x", 1)
	if diff := cmp.Diff(map[string]uint64{"x": 4, "y": 0}, c.finish()); diff != "" {
		t.Errorf("after one has changed its label: %s", diff)
	}
	c.set("a", "x", 4)
	c.set("b", "x", 1)
	if diff := cmp.Diff(map[string]uint64{"x": 5}, c.finish()); diff != "" {
		t.Errorf("after it has changed it back: %s", diff)
	}
}

// What is absent for a while comes back with all that it had counted, or has begun
// anew; neither counts twice.
func TestCounterOfWhoComesBack(t *testing.T) {
	c := newCounter[string, string]()
	var got []uint64
	for i, n := range []uint64{1, 0, 1, 0, 2, 0, 0, 1} {
		c.set("a", "x", uint64(100+i))
		if n > 0 {
			c.set("b", "x", n)
		}
		got = append(got, c.finish()["x"])
	}
	if diff := cmp.Diff([]uint64{101, 102, 103, 104, 106, 107, 108, 110}, got); diff != "" {
		t.Error(diff)
	}
}

// The past of many sources is one number.
func TestCounterIsBounded(t *testing.T) {
	c := newCounter[int, string]()
	const n = maxDormant + 500
	for i := range n {
		c.set(i, "x", 1)
		if i%100 == 0 {
			c.set(-1, "x", 1)
			if i > 0 {
				c.finish()
			}
		}
	}
	for range 2 {
		c.finish()
		c.set(-1, "x", 1)
	}
	if got := c.finish()["x"]; got != n+1 || len(c.sources) != maxDormant+1 {
		t.Errorf("counted %d, want %d; %d sources are remembered, want %d", got, n+1, len(c.sources), maxDormant+1)
	}
}

func TestFilter(t *testing.T) {
	app := of("shop", "cart-1", "app")
	for name, tt := range map[string]struct {
		filter        Filter
		cgroup        string
		container     workload.Workload
		admits, shows bool
	}{
		"empty":              {Filter{}, "/", workload.Workload{}, true, true},
		"all that match":     {Filter{[]string{"/x", "/kube*"}, []string{"app"}, []string{"a", "shop"}}, "/kubepods/1", app, true, true},
		"another cgroup":     {Filter{Cgroups: []string{"/kube"}}, "/kubepods/1", app, false, false},
		"another container":  {Filter{Containers: []string{"ap"}}, "/", app, false, false},
		"another namespace":  {Filter{Namespaces: []string{"sho*"}}, "/", app, false, false},
		"one does not match": {Filter{Containers: []string{"app"}, Namespaces: []string{"bank"}}, "/", app, false, false},
		"not known yet":      {Filter{Containers: []string{"app"}, Namespaces: []string{"shop"}}, "/", of(workload.Unknown, workload.Unknown, "0123456789ab"), true, false},
		"container not known yet": {
			Filter{Containers: []string{"app"}}, "/", of("", "", "0123456789ab"), true, false,
		},
		"of no pod":  {Filter{Namespaces: []string{"shop"}}, "/system.slice/a.service", of("", "", "a.service"), false, false},
		"of no name": {Filter{Containers: []string{"shop"}}, "/", workload.Workload{}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.filter.Admits(tt.cgroup, tt.container); got != tt.admits {
				t.Errorf("admits %t", got)
			}
			if got := tt.filter.Shows(tt.cgroup, tt.container); got != tt.shows {
				t.Errorf("shows %t", got)
			}
		})
	}
}
