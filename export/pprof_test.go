package export

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/symbol"
)

func parse(t *testing.T, r *Report) *profile.Profile {
	t.Helper()
	var out bytes.Buffer
	if err := r.WritePprof(&out); err != nil {
		t.Fatal(err)
	}
	p, err := profile.Parse(&out)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPprofIsValid(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			p := parse(t, r)
			if err := p.CheckValid(); err != nil {
				t.Error(err)
			}
			objects := int64(0)
			for _, s := range p.Sample {
				objects += s.Value[0]
			}
			want := int64(0)
			for _, s := range r.Sites {
				want += int64(s.Outstanding)
			}
			if objects != want {
				t.Errorf("%d objects, want %d", objects, want)
			}
		})
	}
}

func TestPprofSamples(t *testing.T) {
	type line struct {
		function string
		line     int64
	}
	type sample struct {
		value  []int64
		labels map[string][]string
		stack  [][]line
		module string
		id     string
	}
	for _, s := range parse(t, reports()["leaks"]).Sample {
		if s.Label["kind"][0] != "zombie" || s.Value[0] != 15 {
			continue
		}
		got := sample{value: s.Value, labels: s.Label, module: s.Location[2].Mapping.File, id: s.Location[2].Mapping.BuildID}
		for _, l := range s.Location {
			var lines []line
			for _, ln := range l.Line {
				lines = append(lines, line{ln.Function.Name, ln.Line})
			}
			got.stack = append(got.stack, lines)
		}
		want := sample{
			value:  []int64{15, 113},
			labels: map[string][]string{"kind": {"zombie"}},
			stack: [][]line{
				{{"_Fork", 0}}, {{"posix_spawn", 0}},
				{{"Thumbnailer::spawn", 57}, {"Thumbnailer::run", 112}},
				{{"Server::serve", 88}}, {{"main", 31}},
			},
			module: app, id: "5f0c2c1e88d3a1f3",
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{}, line{})); diff != "" {
			t.Error(diff)
		}
		return
	}
	t.Error("no sample of the 15 zombies")
}

func TestPprofLabels(t *testing.T) {
	got := map[string]bool{}
	for _, s := range parse(t, reports()["leaks"]).Sample {
		for _, label := range []string{"thread", "peer"} {
			for _, v := range s.Label[label] {
				got[label+"="+v] = true
			}
		}
	}
	for _, want := range []string{
		"thread=flush-0", "thread=audit-14", "thread=timer-1",
		"peer=10.0.9.2:5432", "peer=[2001:db8:30:9:216:3eff:fe6b:1e2]:5432",
	} {
		if !got[want] {
			t.Errorf("no sample has %s", want)
		}
	}
}

func TestGoToolPprofReadsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leaks.pb.gz")
	var out bytes.Buffer
	if err := reports()["leaks"].WritePprof(&out); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "tool", "pprof", "-top", "-symbolize=none", file)
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	top, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, top)
	}
	for _, want := range []string{
		`Type: objects`,
		`(?m)^ +15 +\S+ +\S+ +15 +\S+ +Thumbnailer::spawn.*\(inline\)`,
		`LEAK: zombie  Thumbnailer::spawn.*:57\)`,
		`(?m)^ +30 +\S+ +\S+ +30 .*_State_impl::start$`,
	} {
		if !regexp.MustCompile(want).Match(top) {
			t.Errorf("no %q in:\n%s", want, top)
		}
	}
}

// What pprof shows ends at the site, whatever is below it; nothing above a site is
// lost with that.
func TestPprofEndsAtSites(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			p := parse(t, r)
			if err := p.RemoveUninteresting(); err != nil {
				t.Fatal(err)
			}
			leaves := map[string]bool{}
			for _, s := range p.Sample {
				if len(s.Location) == 0 {
					t.Fatal("a sample has no stack")
				}
				for _, l := range s.Location[0].Line[:min(1, len(s.Location[0].Line))] {
					leaves[l.Function.Name] = true
				}
			}
			for _, s := range r.Sites {
				if s.SiteFrame >= 0 && s.Site.Function != "" && !leaves[validUTF8(plainName(s.Site.Function))] {
					t.Errorf("no stack ends at site %q: %v", s.Site.Function, leaves)
				}
			}
		})
	}
}

func TestWithoutArguments(t *testing.T) {
	for name, want := range map[string]string{
		"connect":                    "connect",
		".connect":                   "connect",
		"Server::serve(int)":         "Server::serve",
		"operator()":                 "operator()",
		"F::operator()(int)":         "F::operator()",
		"(anonymous namespace)::f()": "(anonymous namespace)::f",
		"net.(*conn).Read":           "net.",
		"":                           "",
	} {
		if got := withoutArguments(name); got != want {
			t.Errorf("withoutArguments(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestPlainName(t *testing.T) {
	for name, want := range map[string]string{
		"connect":                         "connect",
		"Server::serve(int) const":        "Server::serve const",
		"std::vector<A<int> >::push(int)": "std::vector::push",
		"F::operator()(int)":              "F::operator()",
		"(anonymous namespace)::f(int)":   "(anonymous namespace)::f",
		"net.(*conn).Read":                "net.(*conn).Read",
		"<A as B>::call<C>":               "<A as B>::call",
	} {
		if got := plainName(name); got != want {
			t.Errorf("plainName(%q) = %q, want %q", name, got, want)
		}
	}
}

// The library's own shortening decides what is dropped.
func TestDropFramesAreWhatPprofDrops(t *testing.T) {
	frame := func(name string) symbol.Frame { return symbol.Frame{Function: name} }
	for _, callee := range []string{"connect", "F::operator()(int)", "(anonymous namespace)::g(a, b)", "x<(1)>", "net.(*conn).Read", "a.b|c"} {
		site := Site{
			SiteFrame: 1, Stack: []symbol.Frame{frame(callee), frame("site"), frame("main")},
			objects: make([]tracer.Object, 1),
		}
		p := parse(t, &Report{Sites: []Site{site}})
		if err := p.RemoveUninteresting(); err != nil {
			t.Fatal(err)
		}
		if leaf := p.Sample[0].Location[0].Line[0].Function.Name; leaf != "site" {
			t.Errorf("below %q the stack ends at %q", callee, leaf)
		}
	}
}

// A function that both is below one site and leads to another is not dropped.
func TestDropFramesKeepsTheWayToSites(t *testing.T) {
	frame := func(name string) symbol.Frame { return symbol.Frame{Function: name} }
	got := dropFrames([]Site{
		{SiteFrame: 2, Stack: []symbol.Frame{frame("recv"), frame("http_get"), frame("borrow"), frame("main")}},
		{SiteFrame: 1, Stack: []symbol.Frame{frame("fork"), frame("http_get"), frame("main")}},
		{SiteFrame: -1, Stack: []symbol.Frame{frame("clone")}},
	})
	if got != "fork|recv" {
		t.Errorf("got %q, want fork|recv", got)
	}
}

func TestPprofSaysWhatLeaks(t *testing.T) {
	want := []string{"no leak found in orders (pid 4711), watched for 15s"}
	if got := parse(t, reports()["clean"]).Comments; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	unreachable := "LEAK: goroutine  main.fetch (main.go:30)  5 outstanding, 0, 4 unreachable in the last 2 scans"
	if got := parse(t, reports()["verified"]).Comments; !slices.Contains(got, unreachable) {
		t.Errorf("got %q, want one of %q", got, unreachable)
	}
	for _, line := range parse(t, reports()["hostile"]).Comments {
		if strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.HasPrefix(line, "#") {
			t.Errorf("not fit for a terminal: %q", line)
		}
	}
	if got := parse(t, reports()["flood"]).Comments; len(got) > maxComments+2 {
		t.Errorf("%d lines", len(got))
	}
}
