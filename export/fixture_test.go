package export

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

var (
	began  = time.Date(2026, 11, 3, 9, 30, 0, 0, time.UTC)
	target = tracer.Process{PID: 4711, Start: 1, Comm: "orders"}
	shell  = tracer.Process{PID: 1, Start: 1, Comm: "sh"}
)

const (
	app  = "/srv/orders/bin/orders"
	libc = "/usr/lib/x86_64-linux-gnu/libc.so.6"
)

func frame(function, file string, line int, address uint64) symbol.Frame {
	return symbol.Frame{
		Function: function, File: file, Line: line, Address: address,
		Module: app, BuildID: "5f0c2c1e88d3a1f3",
	}
}

func libcFrame(function string, address uint64) symbol.Frame {
	return symbol.Frame{Function: function, Module: libc, BuildID: "93ac9d3b", Address: address}
}

func stack(site int, frames ...symbol.Frame) tracer.Stack {
	return tracer.Stack{Frames: frames, Site: site, Quality: tracer.Complete}
}

// born returns when each of n objects came to be: perS of them a second from
// the begin of tracing on.
func born(n int, perS float64) (times []time.Time) {
	for i := range n {
		times = append(times, began.Add(time.Duration((float64(i)+0.5)/perS*float64(time.Second))))
	}
	return times
}

func children(times []time.Time, reaper tracer.Process) (objects []tracer.Object) {
	for i, at := range times {
		z := &tracer.ZombieInfo{ExitCode: i % 2, Reaper: reaper}
		if i == 2 {
			z.ExitCode, z.Signal = -1, 9
		}
		objects = append(objects, tracer.Object{
			Kind: tracer.Zombie, Created: at, Since: at, ID: 4800 + i, Name: "convert", Owner: target, Zombie: z,
		})
	}
	return objects
}

func threads(kind tracer.Kind, name string, times []time.Time) (objects []tracer.Object) {
	for i, at := range times {
		objects = append(objects, tracer.Object{
			Kind: kind, Created: at, Since: at, Owner: target, ID: 4900 + i,
			Name: fmt.Sprintf("%s-%d", name, i), BeforeTracing: at.Before(began),
		})
	}
	return objects
}

func sockets(times []time.Time) (objects []tracer.Object) {
	for i, at := range times {
		o := tracer.Object{
			Kind: tracer.CloseWait, Created: at, Since: at, Owner: target, ID: 990 + i,
			Socket: &tracer.SocketInfo{
				Local:   netip.AddrPortFrom(netip.MustParseAddr("10.0.3.17"), uint16(43120+i)),
				Remote:  netip.MustParseAddrPort("10.0.9.2:5432"),
				EOFRead: i%2 == 0, Unread: 1312 * (i % 2), Holders: []tracer.Holder{{Process: target, FD: 12 + i}},
			},
		}
		if i == 1 {
			o.Socket.Local = netip.MustParseAddrPort("[2001:db8:30:1:9c4d:8aff:fe21:7c03]:43121")
			o.Socket.Remote = netip.MustParseAddrPort("[2001:db8:30:9:216:3eff:fe6b:1e2]:5432")
			o.Socket.Holders = nil
		}
		objects = append(objects, o)
	}
	return objects
}

// services is one leak of each kind, each beside something innocent.
func services() []tracer.Site {
	main := frame("main", "/srv/orders/src/main.cc", 31, 0x11f3)
	serve := frame("Server::serve(int)", "/srv/orders/src/server.cc", 88, 0x2204)
	clone := libcFrame("__clone3", 0x10d5b2)
	create := libcFrame("pthread_create", 0x89144)
	inlined := frame("Thumbnailer::spawn(std::vector<std::string> const&)", "/srv/orders/src/thumbnail.cc", 57, 0x3a10)
	inlined.Inlined = true
	probes := sockets([]time.Time{began.Add(14 * time.Second)})
	probes[0].ID = 1200
	nameless := symbol.Frame{Module: "/usr/lib/libacme.so.2", Address: 0x1c2f0}
	long := frame("std::thread::_State_impl<std::thread::_Invoker<std::tuple<void (Metrics::*)(std::chrono::duration<long, std::ratio<1l, 1000l> >), Metrics*> > >::start(std::shared_ptr<Registry>, std::vector<std::string> const&)", "/srv/orders/src/metrics/flusher_threads.cc", 214, 0x5120)
	sites := []tracer.Site{{
		Kind: tracer.Zombie, Fingerprint: "b1a6", Created: 1204, Released: 1189,
		Stack: stack(2, libcFrame("_Fork", 0xd5b2c), libcFrame("posix_spawn", 0xfa010), inlined,
			frame("Thumbnailer::run()", "/srv/orders/src/thumbnail.cc", 112, 0x3a10), serve, main),
		Outstanding: children(born(15, 1), target),
	}, {
		Kind: tracer.Zombie, Fingerprint: "b1a7", Created: 3, Stack: stack(1, libcFrame("_Fork", 0xd5b2c), nameless, main),
		Outstanding: children(born(3, 3), shell),
	}, {
		Kind: tracer.Thread, Fingerprint: "77e0", Created: 30, Stack: stack(2, clone, create, long, serve, main),
		Outstanding: threads(tracer.Thread, "flush", born(30, 2)),
	}, {
		Kind: tracer.Thread, Fingerprint: "77e1", Created: 8,
		Stack:       stack(2, clone, create, frame("Pool::grow()", "/srv/orders/src/pool.cc", 40, 0x4100), main),
		Outstanding: threads(tracer.Thread, "pool", born(8, 8)),
	}, {
		Kind: tracer.Thread, Fingerprint: "77e2", Stack: tracer.Stack{Site: -1, Quality: tracer.NoStack},
		Outstanding: threads(tracer.Thread, "timer", []time.Time{began.Add(-26 * time.Hour), began.Add(-25 * time.Hour)}),
	}, {
		Kind: tracer.UnjoinedThread, Fingerprint: "90aa", Created: 400, Released: 385,
		Stack: tracer.Stack{
			Frames: []symbol.Frame{clone, create, frame("Audit::log_async", "/srv/orders/src/audit.cc", 19, 0x6000)},
			Site:   2, Quality: tracer.Truncated,
		},
		Outstanding: threads(tracer.UnjoinedThread, "audit", born(15, 1)),
	}, {
		Kind: tracer.CloseWait, Fingerprint: "c0de", Created: 57, Released: 51,
		Stack:       stack(1, libcFrame("connect", 0x10a2f4), frame("Db::connect()", "/srv/orders/src/db.cc", 71, 0x7000), serve, main),
		Outstanding: sockets(born(6, 0.4)),
	}, {
		Kind: tracer.CloseWait, Fingerprint: "c0df", Created: 9, Released: 8,
		Stack:       stack(1, libcFrame("connect", 0x10a2f4), frame("Health::probe()", "/srv/orders/src/health.cc", 12, 0x7100), main),
		Outstanding: probes,
	}, {
		Kind: tracer.Zombie, Fingerprint: "gone", Created: 5, Released: 5,
	}}
	for i := range sites {
		if len(sites[i].Stack.Frames) > 0 {
			sites[i].Role = tracer.Created
		}
	}
	sites[4].Group = "timer-N"
	return sites
}

// networks is what can be known of sockets: a pool whose last borrower keeps
// them, and connections that nobody accepts; and zombies of a container.
func networks() []tracer.Site {
	main := frame("main", "/srv/orders/src/main.cc", 31, 0x11f3)
	read := frame("Http::read", "/srv/orders/src/http.cc", 80, 0x8100)
	used := stack(2, libcFrame("recv", 0x10a300), read, frame("Audit::fetch()", "/srv/orders/src/audit.cc", 44, 0x8000), main)
	made := stack(1, libcFrame("connect", 0x10a2f4), frame("Http::connect", "/srv/orders/src/http.cc", 20, 0x8200),
		frame("Health::probe()", "/srv/orders/src/health.cc", 12, 0x7100), main)
	pooled := sockets(born(6, 0.4))
	for _, o := range pooled {
		o.Socket.Creation, o.Socket.LastUse = &made, &used
		o.Socket.LastUsed = began.Add(9 * time.Second)
		o.Socket.Peer = &tracer.Holder{Process: tracer.Process{PID: 800, Comm: "postgres"}, FD: 9}
	}
	pooled[0].Socket.Holders = append(pooled[0].Socket.Holders, tracer.Holder{Process: tracer.Process{PID: 4801, Comm: "convert"}, FD: 12})
	queued := sockets(born(2, 1))
	for _, o := range queued {
		o.Owner = tracer.Process{}
		o.Socket.Listeners, o.Socket.Holders = []tracer.Holder{{Process: target, FD: 5}}, nil
	}
	orphans := children(born(2, 1), tracer.Process{PID: 4712, Comm: "entrypoint.sh"})
	for _, o := range orphans {
		o.Zombie.ReaperIsInit = true
	}
	return []tracer.Site{
		{Kind: tracer.CloseWait, Fingerprint: "c0e0", Role: tracer.LastUsed, Stack: used, Outstanding: pooled},
		{
			Kind: tracer.CloseWait, Fingerprint: "c0e1", Stack: tracer.Stack{Site: -1, Quality: tracer.NoStack},
			Group: "never accepted at 0.0.0.0:8080", Outstanding: queued,
		},
		{
			Kind: tracer.Zombie, Fingerprint: "b1b0", Role: tracer.Created, Created: 2, Outstanding: orphans,
			Stack: stack(1, libcFrame("_Fork", 0xd5b2c), frame("Job::start()", "/srv/orders/src/job.cc", 7, 0x9000), main),
		},
	}
}

// watch shows the sites to a history once a second and returns the report.
func watch(sites []tracer.Site, run int, finish func(*tracer.Snapshot)) *Report {
	return watchWith(Setting{}, sites, run, finish)
}

func watchWith(setting Setting, sites []tracer.Site, run int, finish func(*tracer.Snapshot)) *Report {
	h := verdict.New(began, 3*time.Second)
	var last *tracer.Snapshot
	for s := range run + 1 {
		now := began.Add(time.Duration(s) * time.Second)
		last = &tracer.Snapshot{Time: now, Looked: now}
		for _, site := range sites {
			var outstanding []tracer.Object
			for _, o := range site.Outstanding {
				if !o.Since.After(last.Time) {
					outstanding = append(outstanding, o)
				}
			}
			site.Outstanding = outstanding
			last.Sites = append(last.Sites, site)
		}
		finish(last)
		h.Add(last)
	}
	setting.Target, setting.Started = target, began
	setting.Overhead = Overhead{CPUSeconds: 0.213, RSSBytes: 41 << 20}
	return NewReport(setting, h, last)
}

func clean(s *tracer.Snapshot) {
	s.StackQuality = map[tracer.Quality]uint64{tracer.Complete: 1673, tracer.Truncated: 15}
	s.Lost = []tracer.Counter{{Name: "stack_table_full"}, {Name: "ring_full"}}
}

func lossy(s *tracer.Snapshot) {
	clean(s)
	s.Lost = []tracer.Counter{{Name: "stack_table_full", Count: 3}, {Name: "ring_full", Count: 1417}, {Name: "never"}}
}

// flooded is a leak beside more creations than have stacks.
func flooded(s *tracer.Snapshot) {
	clean(s)
	s.Sampling = tracer.Sampling{OneIn: 4, LeftOut: 184_113}
}

func flood() *Report {
	others := tracer.Site{
		Kind: tracer.Thread, Fingerprint: "a0a9", Group: tracer.NotSampled, Created: 184_113, Released: 184_077,
		Stack: tracer.Stack{Site: -1, Quality: tracer.NoStack}, Outstanding: threads(tracer.Thread, "worker", born(36, 3)),
	}
	return watch([]tracer.Site{services()[0], others}, 15, flooded)
}

// reports are the cases every format is tested with.
// verified is a report of goroutines of which most were found to be unreachable.
func verified() *Report {
	own := stack(1, frame("runtime.gopark", "/usr/lib/go/src/runtime/proc.go", 435, 0x4300), frame("main.fetch.func1", "/srv/orders/main.go", 31, 0x9100))
	objects := threads(tracer.Goroutine, "main.fetch.func", born(5, 5))
	for i := range objects {
		objects[i].Name = "main.fetch.func1"
		objects[i].Goroutine = &tracer.GoroutineInfo{Parent: 1, Reason: "chan send", Parked: &own}
		if i > 0 {
			objects[i].Goroutine.Unreachable = 2
		}
	}
	site := tracer.Site{
		Kind: tracer.Goroutine, Fingerprint: "60a2", Role: tracer.Started, Created: 5, Outstanding: objects,
		Stack: stack(1, frame("main.fetch.func1", "/srv/orders/main.go", 31, 0x9100), frame("main.fetch", "/srv/orders/main.go", 30, 0x9000)),
	}
	return watch([]tracer.Site{site}, 15, scanned)
}

// scanned has verified goroutines of many processes, but not of all.
func scanned(s *tracer.Snapshot) {
	clean(s)
	for i, comm := range []string{"orders", "mail\x1b[2J", "stock", "search", "prices", "tax", "audit"} {
		s.Verified = append(s.Verified, tracer.Verification{Process: tracer.Process{PID: 412 + i, Comm: comm}, Scans: 14 - 2*i, Unreachable: max(0, 4-4*i), Ago: time.Duration(7*i) * time.Second})
	}
	s.Notes = []string{"goroutines of migrate (pid 420) and 3 others were not verified: they ended before"}
}

func reports() map[string]*Report {
	innocent := []tracer.Site{services()[3], services()[7]}
	withStats := watch(services(), 15, lossy)
	withStats.Overhead.Programs = []ProgramCost{{"task_newtask", 1612, 1240.5}, {"process_exit", 1600, 210}}
	hostile := services()[0]
	hostile.Stack = stack(0, symbol.Frame{
		Function: "evil\x1b[2J;\nname \u202e 7", File: "/tmp/\x9b31m.c", Line: 7, Module: "/tmp/a\xff b", Address: 1,
	})
	hostile.Outstanding = children(born(1, 1), tracer.Process{PID: 9, Comm: "\x1b]0;owned\a"})
	hostile.Outstanding[0].Name = "a\" \xff\u2066"
	return map[string]*Report{
		"leaks":    watch(services(), 15, clean),
		"lossy":    withStats,
		"clean":    watch(innocent, 15, clean),
		"short":    watch(innocent[:1], 2, clean),
		"judged":   judged(),
		"nothing":  watch(nil, 15, func(*tracer.Snapshot) {}),
		"network":  watch(networks(), 15, clean),
		"past":     past(false),
		"over":     past(true),
		"flood":    flood(),
		"verified": verified(),
		"node":     node(),
		"hostile":  watch([]tracer.Site{hostile}, 15, clean),
	}
}
