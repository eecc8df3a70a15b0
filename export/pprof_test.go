package export

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
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
				{{"Thumbnailer::spawn(std::vector<std::string> const&)", 57}, {"Thumbnailer::run()", 112}},
				{{"Server::serve(int)", 88}}, {{"main", 31}},
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
	cmd := exec.Command("go", "tool", "pprof", "-top", "-cum", "-symbolize=none", file)
	cmd.Env = append(os.Environ(), "PPROF_TMPDIR="+t.TempDir())
	top, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, top)
	}
	for _, want := range []string{
		`Type: objects`,
		`(?m)^ +0 +0% +\S+ +15 +\S+ +Thumbnailer::run`,
		`Thumbnailer::spawn.*\(inline\)`,
		`(?m) 30 .*Metrics`,
	} {
		if !regexp.MustCompile(want).Match(top) {
			t.Errorf("no %q in:\n%s", want, top)
		}
	}
}
