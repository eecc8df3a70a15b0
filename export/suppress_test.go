package export

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/tracer"
)

func TestReadSuppressions(t *testing.T) {
	got, err := ReadSuppressions(strings.NewReader(`# known leaks

thread Pool::grow(std::vector<int> const&)   #  one thread per shard
	zombie	spawn::{closure#0}	#	reaped at exit, see #123 # really
* com.example.*.start # by design`+"\r\n"), "known.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := []Suppression{
		{3, "thread", "Pool::grow(std::vector<int> const&)", "one thread per shard"},
		{4, "zombie", "spawn::{closure#0}", "reaped at exit, see #123 # really"},
		{5, "*", "com.example.*.start", "by design"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadSuppressions(t *testing.T) {
	const form = "expected KIND FUNCTION # REASON, as in: thread Pool::grow* # keeps one thread per shard"
	tests := map[string]struct{ file, want string }{
		"kind":        {"threads f # r", `f:1: kind "threads": expected * or one of zombie, thread, unjoined-thread, close-wait, goroutine`},
		"no function": {"\nthread # r", "f:2: no function: " + form},
		"no reason":   {"thread Pool::grow", "f:1: no reason: " + form},
		"empty":       {"thread Pool::grow #  ", "f:1: no reason: " + form},
		"no space":    {"thread f #123", "f:1: no reason: " + form},
		"no mark":     {"thread f long-lived by design, see #123", "f:1: no reason: " + form},
		"alone":       {"thread", "f:1: no function: " + form},
		"bytes":       {"thread \xff # r", "f:1: not UTF-8 text"},
		"long":        {"* " + strings.Repeat("f", 4097) + " # r", "f:1: function of 4097 bytes: expected at most 4096; shorten it with *"},
		"two":         {"a b # c\n* f # r\nthread\n", "f:1: kind \"a\": expected * or one of zombie, thread, unjoined-thread, close-wait, goroutine\nf:3: no function: " + form},
		"many":        {strings.Repeat("thread\n", 12), strings.Repeat("f:N: no function: "+form+"\n", 10) + "and 2 more bad lines"},
		"huge":        {strings.Repeat("\n", 1<<20+1), "read suppressions: f is larger than 1 MiB; is it a suppression file?"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ReadSuppressions(strings.NewReader(tt.file), "f")
			if err == nil {
				t.Fatal("no error")
			}
			got := err.Error()
			if name == "many" {
				for _, line := range strings.Fields("10 1 2 3 4 5 6 7 8 9") {
					got = strings.Replace(got, "f:"+line+":", "f:N:", 1)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := ReadSuppressions(iotest.ErrReader(errFull), "f"); !errors.Is(err, errFull) {
		t.Errorf("read error lost: %v", err)
	}
}

func TestSuppress(t *testing.T) {
	type outcome struct {
		leaking    int
		suppressed map[string]string // by fingerprint
		unused     []int             // by line
	}
	tests := map[string]struct {
		list []Suppression
		want outcome
	}{
		"none":                   {nil, outcome{5, map[string]string{}, nil}},
		"the site":               {[]Suppression{{1, "close-wait", "Db::connect()", "r"}}, outcome{4, map[string]string{"c0de": "r"}, nil}},
		"another kind":           {[]Suppression{{1, "zombie", "Db::connect()", "r"}}, outcome{5, map[string]string{}, []int{1}}},
		"a caller":               {[]Suppression{{1, "*", "Server::serve(*)", "r"}}, outcome{2, map[string]string{"b1a6": "r", "77e0": "r", "c0de": "r"}, nil}},
		"libc":                   {[]Suppression{{1, "*", "pthread_create", "r"}}, outcome{5, map[string]string{}, []int{1}}},
		"a runtime's site":       {[]Suppression{{1, "thread", "std::thread::*::start(*)", "r"}}, outcome{4, map[string]string{"77e0": "r"}, nil}},
		"a frame without a name": {[]Suppression{{1, "*", "libacme.so.2+*", "r"}}, outcome{4, map[string]string{"b1a7": "r"}, nil}},
		"steady, so used":        {[]Suppression{{1, "thread", "Pool::grow()", "r"}}, outcome{5, map[string]string{}, nil}},
		"before tracing":         {[]Suppression{{1, "thread", "(before tracing: timer-?)", "r"}}, outcome{5, map[string]string{}, nil}},
		"the first that matches": {[]Suppression{{1, "zombie", "Thumb*", "a"}, {2, "*", "*", "b"}, {3, "*", "Audit*", "c"}},
			outcome{0, map[string]string{"b1a6": "a", "b1a7": "b", "77e0": "b", "90aa": "b", "c0de": "b"}, []int{3}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := reports()["leaks"]
			r.Suppress(tt.list)
			got := outcome{r.Leaking(), map[string]string{}, nil}
			for _, s := range r.Sites {
				if s.Suppressed != "" {
					got.suppressed[s.Fingerprint] = s.Suppressed
				}
			}
			for _, p := range r.UnusedSuppressions {
				got.unused = append(got.unused, p.Line)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(outcome{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Where leaks were accepted or left out, the headline is no more than true of the rest.
func TestHeadlineSaysWhatWasLeftOut(t *testing.T) {
	accepted := []Suppression{{1, "*", "*", "r"}}
	for want, tt := range map[string]struct {
		kinds []tracer.Kind
		list  []Suppression
	}{
		"5 sites leak in ":                       {nil, nil},
		"only suppressed leaks found in ":        {nil, accepted},
		"no goroutine leak found in ":            {[]tracer.Kind{tracer.Goroutine}, accepted},
		"no goroutine or parked leak found in ":  {[]tracer.Kind{tracer.Goroutine, "parked"}, nil},
		"only suppressed zombie leaks found in ": {[]tracer.Kind{tracer.Zombie}, accepted},
		"2 sites leak in ":                       {[]tracer.Kind{tracer.Zombie}, nil},
	} {
		r := reports()["leaks"]
		if err := r.Keep(tt.kinds); err != nil {
			t.Error(err)
		}
		r.Suppress(tt.list)
		if got := r.headline(); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// The suppressed sites come last, all others keep their order.
func TestSuppressKeepsOrder(t *testing.T) {
	r := reports()["leaks"]
	r.Suppress([]Suppression{{1, "unjoined-thread", "*", "r"}, {2, "zombie", "Thumb*", "r"}})
	var got []string
	for _, s := range r.Sites {
		got = append(got, s.Fingerprint)
	}
	want := []string{"77e0", "c0de", "b1a7", "77e1", "c0df", "77e2", "90aa", "b1a6"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestManySuppressionsAreListedBriefly(t *testing.T) {
	var sites []tracer.Site
	for i := range 30 {
		s := services()[1]
		s.Fingerprint += strings.Repeat("x", i)
		sites = append(sites, s)
	}
	r := watch(sites, 15, clean)
	r.Suppress(slices.Repeat([]Suppression{{1, "*", "*", "r"}}, 22))
	var out bytes.Buffer
	if err := r.WriteText(&out, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "libacme"); n != 20 {
		t.Errorf("%d sites listed, want 20:\n%s", n, out.String())
	}
	if !strings.Contains(out.String(), "... and 10 more sites") {
		t.Errorf("the rest is not mentioned:\n%s", out.String())
	}
	if n := strings.Count(out.String(), "\nunused suppression"); n != 20 || !strings.Contains(out.String(), "... and 1 more unused suppression\n") {
		t.Errorf("%d unused suppressions listed, want 20 and a word on the last:\n%s", n, out.String())
	}
}

func TestSuppressedLeaksAreNotMarkedInBlocks(t *testing.T) {
	r := reports()["leaks"]
	r.Suppress([]Suppression{{1, "zombie", "*", "r"}})
	var out bytes.Buffer
	if err := r.WriteBlock(&out, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	if marks, rows := strings.Count(out.String(), "LEAK "), strings.Count(out.String(), "zombie "); marks != 3 || rows != 2 {
		t.Errorf("%d marks, want 3; %d suppressed sites, want 2:\n%s", marks, rows, out.String())
	}
}

// A run tells nothing of kinds that it did not look for.
func TestKeepOfOneKind(t *testing.T) {
	r := reports()["clean"]
	r.Kinds = []tracer.Kind{tracer.Zombie, "hidden\x1b"}
	if got, want := r.headline(), `no zombie or hidden\x1b leak found in `; !strings.HasPrefix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	want := `nothing is known of kind thread: the run looked for zombie and hidden\x1b alone (--kind)`
	if err := r.Keep([]tracer.Kind{tracer.Zombie, tracer.Thread}); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := r.Keep([]tracer.Kind{tracer.Zombie}); err != nil || len(r.Kinds) != 1 {
		t.Errorf("%v, of %q", err, r.Kinds)
	}
}

// The suppressions of a report that was read are of another list, and of other kinds.
func TestUnusedSuppressionsOfARecording(t *testing.T) {
	thread := Suppression{Line: 7, Kind: "thread", Function: "f", Reason: "r"}
	recorded := []Suppression{{Line: 3, Kind: "zombie", Function: "f", Reason: "r"}, thread, {Line: 9, Kind: "*", Function: "f", Reason: "r"}}
	r := &Report{UnusedSuppressions: slices.Clone(recorded)}
	r.Suppress(nil)
	if !slices.Equal(r.UnusedSuppressions, recorded) {
		t.Errorf("without a list: %v", r.UnusedSuppressions)
	}
	if err := r.Keep([]tracer.Kind{tracer.Thread}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(r.UnusedSuppressions, recorded[1:]) {
		t.Errorf("of one kind: %v", r.UnusedSuppressions)
	}
	r.Suppress([]Suppression{{Line: 1, Kind: "*", Function: "g", Reason: "r"}})
	if len(r.UnusedSuppressions) != 1 || r.UnusedSuppressions[0].Line != 1 {
		t.Errorf("with a list: %v", r.UnusedSuppressions)
	}
}
