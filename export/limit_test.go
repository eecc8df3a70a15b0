package export

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
	"github.com/leaktrace/leaktrace/tracer/verdict"
)

var (
	worker = tracer.Process{PID: 4712, Start: 2, Comm: "worker"}

	nofile = limit.Limit{
		Name: "RLIMIT_NOFILE", Resource: limit.Descriptors, Each: map[tracer.Kind]uint64{tracer.CloseWait: 1}, Used: 100, Max: 160,
	}
	tasks = limit.Limit{
		Name: "pids.max", Resource: limit.Tasks, Each: map[tracer.Kind]uint64{tracer.Zombie: 1, tracer.Thread: 1},
		Used: 100, Max: 160, Shared: true,
	}
)

// grown is a site of sockets that the target and a worker hold: one and three.
func grown(kind tracer.Kind, state verdict.State, perS float64) verdict.Site {
	s := verdict.Site{State: state, GrowthPerS: perS}
	s.Kind = kind
	for i := range 4 {
		o := tracer.Object{Kind: kind, Owner: worker, ID: i}
		if i == 0 {
			o.Owner = target
		}
		if kind == tracer.CloseWait {
			o.Socket = &tracer.SocketInfo{Holders: []tracer.Holder{{Process: o.Owner, FD: i}}}
		}
		s.Outstanding = append(s.Outstanding, o)
	}
	return s
}

func TestFullIn(t *testing.T) {
	ended := grown(tracer.Thread, verdict.Leaking, 9)
	ended.Ended = true
	threads := grown(tracer.Thread, verdict.Leaking, 2)
	sockets := grown(tracer.CloseWait, verdict.Suspect, 4)
	tests := map[string]struct {
		limits map[int][]limit.Limit
		own    limit.Own
		all    []verdict.Site // the first is looked at
		want   map[string]float64
	}{
		"the share of a process": {
			map[int][]limit.Limit{target.PID: {nofile}}, nil, []verdict.Site{sockets}, map[string]float64{"RLIMIT_NOFILE": 60},
		},
		"all that a process holds": {
			map[int][]limit.Limit{worker.PID: {nofile}}, nil, []verdict.Site{sockets, grown(tracer.CloseWait, verdict.Leaking, 4)},
			map[string]float64{"RLIMIT_NOFILE": 10},
		},
		"what is shared": {
			map[int][]limit.Limit{target.PID: {tasks}, worker.PID: {tasks}}, nil,
			[]verdict.Site{threads, grown(tracer.Zombie, verdict.Suspect, 3), grown(tracer.Zombie, verdict.Leaking, -7)},
			map[string]float64{"pids.max": 12},
		},
		"what some of its processes share": {
			map[int][]limit.Limit{target.PID: {tasks}}, nil,
			[]verdict.Site{threads, grown(tracer.Zombie, verdict.Suspect, 3)}, map[string]float64{"pids.max": 48},
		},
		"neither steady nor ended ones": {
			map[int][]limit.Limit{target.PID: {tasks}, worker.PID: {tasks}}, nil,
			[]verdict.Site{threads, grown(tracer.Zombie, verdict.Steady, 8), ended}, map[string]float64{"pids.max": 30},
		},
		"the user's own": {
			nil, limit.Own{tracer.CloseWait: 20}, []verdict.Site{sockets, sockets},
			map[string]float64{"--limit close-wait=20": 1.5},
		},
		"of what is alive": {
			nil, limit.Own{tracer.Thread: 30}, []verdict.Site{threads, ended}, map[string]float64{"--limit thread=30": 13},
		},
		"full at the end": {
			nil, limit.Own{tracer.Thread: 4}, []verdict.Site{ended}, map[string]float64{"--limit thread=4": 0},
		},
		"never": {map[int][]limit.Limit{target.PID: {tasks}}, nil, []verdict.Site{ended}, map[string]float64{"pids.max": -1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBuilder(Setting{}, NewBounds(tt.limits, SitesOf([]Part{{Sites: tt.all}})))
			got := map[string]float64{}
			for _, l := range b.site(tt.all[0], OwnLimits(tt.own, tt.all)).Limits {
				got[l.Name] = -1
				if l.FullInS != nil {
					got[l.Name] = *l.FullInS
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// The creator of a socket that others hold has no descriptor for it.
func TestLimitsOfTheOwner(t *testing.T) {
	s := grown(tracer.CloseWait, verdict.Leaking, 1)
	for i := range s.Outstanding {
		s.Outstanding[i].Owner = shell
	}
	shared := nofile
	shared.Name, shared.Shared = "fs.file-max", true
	b := NewBounds(map[int][]limit.Limit{shell.PID: {nofile, shared}}, SitesOf(nil))
	var got []string
	for _, l := range b.Of(&s) {
		got = append(got, l.Name)
	}
	if diff := cmp.Diff([]string{"fs.file-max"}, got); diff != "" {
		t.Error(diff)
	}
}

// A limit that the user names is reported, with nothing outstanding too.
func TestOwnLimitsOfNothing(t *testing.T) {
	h := verdict.New(began, time.Second)
	last := &tracer.Snapshot{Time: began.Add(time.Second)}
	h.Add(last)
	r := NewReport(Setting{Target: target, Started: began, OwnLimits: limit.Own{tracer.CloseWait: 1024}}, h, last)
	want := []Limit{{Name: "--limit close-wait=1024", Resource: limit.Objects, Max: 1024}}
	if diff := cmp.Diff(want, r.OwnLimits); diff != "" {
		t.Error(diff)
	}
}

func TestNextLimit(t *testing.T) {
	at := func(name string, used uint64, in float64) []Limit {
		return []Limit{{Name: name, Used: used, Max: 10, FullInS: &in}}
	}
	leak := func(limits []Limit) Site { return Site{State: verdict.Leaking, Leaking: true, Limits: limits} }
	never := leak([]Limit{{Name: "never", Used: 9, Max: 10}})
	suspect := Site{State: verdict.Suspect, Limits: at("suspect", 5, 60)}
	ended, accepted, steady := leak(at("ended", 10, 0)), leak(at("accepted", 5, 1)), Site{State: verdict.Steady, Limits: at("steady", 10, 0)}
	ended.Ended, accepted.Suppressed = true, "known"
	tests := map[string]struct {
		sites []Site
		own   []Limit
		want  string
	}{
		"none":                               {nil, nil, ""},
		"never":                              {[]Site{never}, nil, ""},
		"too far off":                        {[]Site{leak(at("a", 5, 8*86400))}, nil, ""},
		"in six days":                        {[]Site{never, leak(at("a", 5, 6*86400))}, nil, "a"},
		"soonest":                            {[]Site{leak(at("a", 5, 90)), leak(at("b", 1, 80))}, nil, "b"},
		"of suspects":                        {[]Site{leak(at("a", 5, 90)), suspect}, nil, "suspect"},
		"the user's own":                     {[]Site{leak(at("a", 5, 90)), suspect}, at("own", 5, 50), "own"},
		"the fullest of those full":          {[]Site{leak(at("a", 10, 0)), leak(at("b", 12, 0)), leak(at("c", 11, 0))}, nil, "b"},
		"neither ended, accepted nor steady": {[]Site{ended, accepted, steady}, nil, ""},
	}
	for name, tt := range tests {
		got := ""
		if l := (&Report{Sites: tt.sites, OwnLimits: tt.own}).nextLimit(); l != nil {
			got = l.Name
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
