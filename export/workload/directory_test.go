package workload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fake is a container runtime, whose place is there.
type fake struct {
	containers []container
	err        error
	polls      atomic.Int32
}

// directory asks the fake alone.
func (f *fake) directory(t *testing.T) *Directory {
	t.Helper()
	list := func(context.Context, string) ([]container, error) {
		f.polls.Add(1)
		return f.containers, f.err
	}
	place := []string{t.TempDir()}
	return &Directory{
		runtimes: []*runtime{newRuntime("cri", place, nil, list, slog.New(slog.DiscardHandler))},
		known:    newKnown(),
		absent:   newAbsent(),
		polled:   make(chan struct{}),
	}
}

func TestOf(t *testing.T) {
	f := &fake{containers: []container{
		{a, uid, Workload{"prod", "web-0", "web"}},
		{b, "", Workload{Container: "db"}},
		{strings.Repeat("6", 64), "", Workload{}},
	}}
	d := f.directory(t)
	d.poll(t.Context())
	unknown := strings.Repeat("5", 64)
	manager := "/user.slice/user-1000.slice/user@1000.service"
	for _, test := range []struct {
		cgroup string
		want   Workload
	}{
		{"/", Workload{}},
		{"/kubepods/pod" + uid + "/" + a, Workload{"prod", "web-0", "web"}},
		{"/kubepods/pod" + uid + "/" + a + "/docker/" + b, Workload{"prod", "web-0", "web"}},
		{"/kubepods/pod" + uid + "/" + unknown, Workload{"prod", "web-0", "555555555555"}},
		{"/kubepods/pod" + uid, Workload{"prod", "web-0", ""}},
		{"/kubepods/pod" + file + "/" + unknown, Workload{Unknown, Unknown, "555555555555"}},
		{"/kubepods/pod" + file, Workload{Unknown, Unknown, ""}},
		{"/docker/" + b, Workload{Container: "db"}},
		{"/docker/" + strings.Repeat("6", 64), Workload{Container: "666666666666"}},
		{"/docker/" + unknown, Workload{Container: "555555555555"}},
		{"/ecs/" + file + "/" + file + "-253", Workload{Container: file[:12]}},
		{"/lxc/" + b, Workload{Container: b}},
		{"/system.slice/nginx.service", Workload{Container: "nginx.service"}},
		// Nobody passes for somebody else's container.
		{manager + "/user.slice/libpod-" + b + ".scope", Workload{Container: b[:12]}},
		{manager + "/kubepods/pod" + uid + "/" + a, Workload{Container: a[:12]}},
		{"/docker/" + unknown + "/kubepods/pod" + uid + "/" + a, Workload{Container: "555555555555"}},
	} {
		if diff := cmp.Diff(test.want, d.Of(test.cgroup)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.cgroup, diff)
		}
	}
}

// The containers of a runtime that takes its time are known to who waits.
func TestReadyOfRuntimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := func(context.Context, string) ([]container, error) {
			time.Sleep(time.Second)
			return []container{{id: b, workload: Workload{Container: "db"}}}, nil
		}
		d := new(fake).directory(t)
		d.runtimes[0].list = list
		run(t, d)
		short, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if d.Ready(short); short.Err() == nil {
			t.Error("ready before a runtime has answered")
		}
		d.Ready(t.Context())
		if diff := cmp.Diff(Workload{Container: "db"}, d.Of("/docker/"+b)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// A container that is gone is known for its last scrape, and no longer; one that is
// asked for is known however long ago it was listed.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{containers: []container{{a, uid, Workload{"prod", "web-0", "web"}}}}
		d := f.directory(t)
		d.poll(t.Context())
		f.containers = nil
		cgroup := "/kubepods/pod" + uid + "/" + a
		for range 10 {
			time.Sleep(kept - time.Second)
			if diff := cmp.Diff(Workload{"prod", "web-0", "web"}, d.Of(cgroup)); diff != "" {
				t.Fatalf("-want +got:\n%s", diff)
			}
		}
		time.Sleep(kept + time.Second)
		if diff := cmp.Diff(Workload{Unknown, Unknown, a[:12]}, d.Of(cgroup)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// A new container is known at once; what no runtime knows is asked for less and less.
func TestAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		d := f.directory(t)
		run(t, d)
		polls := func() int32 {
			synctest.Wait()
			return f.polls.Swap(0)
		}
		time.Sleep(time.Hour)
		if got := polls(); got != 1 {
			t.Errorf("asked %d times though nobody wanted to know", got)
		}
		f.containers = []container{{id: b, workload: Workload{Container: "db"}}}
		d.Of("/docker/" + b)
		if got := polls(); got != 1 {
			t.Errorf("asked %d times for a new container", got)
		}
		if diff := cmp.Diff(Workload{Container: "db"}, d.Of("/docker/"+b)); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		for range 600 {
			time.Sleep(time.Second)
			d.Of("/docker/" + a)
			d.Of("/docker/" + a + "/of-another-program")
		}
		// At once, after 2, 4, 8, 16 and 32 seconds, and then every 60.
		if got := polls(); got != 14 {
			t.Errorf("asked %d times in ten minutes for a container that nobody knows, want 14", got)
		}
		// Any number of containers is one question every two seconds.
		for i := range 100 {
			time.Sleep(100 * time.Millisecond)
			for j := range 200 {
				d.Of(fmt.Sprintf("/docker/%064x", i*200+j))
			}
		}
		if got := polls(); got != 5 {
			t.Errorf("asked %d times in ten seconds, want 5", got)
		}
		if n := len(d.absent.misses.Keys()); n > most {
			t.Errorf("%d containers that nobody knows are kept in mind, more than %d", n, most)
		}
	})
}

func TestBounded(t *testing.T) {
	d := (&fake{}).directory(t)
	for i := range 2 * most {
		id := fmt.Sprintf("%064x", i)
		d.absent.ask(id, time.Now())
		d.known.keep(container{id: id, podUID: id, workload: Workload{"n", "p", "c"}})
	}
	got := []int{len(d.absent.wanted), len(d.known.containers.Keys()), len(d.known.pods.Keys())}
	if diff := cmp.Diff([]int{most, most, most}, got); diff != "" {
		t.Errorf("wanted, containers and pods (-want +got):\n%s", diff)
	}
}

// A runtime that is not there is no source. One that was is missed.
func TestSources(t *testing.T) {
	place := filepath.Join(t.TempDir(), "socket")
	f := &fake{}
	d := f.directory(t)
	d.runtimes[0].places = []string{place}
	check := func(when string, want ...SourceState) {
		t.Helper()
		d.poll(t.Context())
		if diff := cmp.Diff(want, d.Sources()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	check("before it is there")
	if err := os.WriteFile(place, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f.err = errOther
	check("it is something else")
	f.err = errors.New("permission denied")
	check("it refuses", SourceState{Name: "cri", Err: "list containers at " + place + ": permission denied"})
	f.err = nil
	check("it answers", SourceState{Name: "cri", Up: true})
	if err := os.Remove(place); err != nil {
		t.Fatal(err)
	}
	check("it is gone", SourceState{Name: "cri", Err: "nothing at " + place + " any longer"})
}

// What is found twice, by a link, is one.
func TestPresent(t *testing.T) {
	directory := t.TempDir()
	real := filepath.Join(directory, "run")
	if err := os.Mkdir(real, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("run", filepath.Join(directory, "var-run")); err != nil {
		t.Fatal(err)
	}
	r := newRuntime("cri", []string{directory + "/*run", real, directory + "/none"}, nil, nil, nil)
	if diff := cmp.Diff([]string{real}, r.present()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
