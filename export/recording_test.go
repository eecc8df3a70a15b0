package export

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/leaktrace/leaktrace/tracer"
	"github.com/leaktrace/leaktrace/tracer/limit"
)

// rendered is a report in every format that has all of it.
func rendered(t *testing.T, r *Report) map[string]string {
	out := make(map[string]string)
	for _, format := range []string{"text", "json", "folded"} {
		var b strings.Builder
		if err := r.Write(&b, format); err != nil {
			t.Fatal(err)
		}
		out[format] = b.String()
	}
	p, err := r.Profile()
	if err != nil {
		t.Fatal(err)
	}
	out["pprof"] = p.String()
	var junit strings.Builder
	if err := r.WriteJUnit(&junit); err != nil {
		t.Fatal(err)
	}
	out["junit"] = junit.String()
	return out
}

func record(t *testing.T, r *Report) []byte {
	var b bytes.Buffer
	if err := r.WriteRecording(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRecording(t *testing.T) {
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			recording := record(t, r)
			read, err := ReadReport(bytes.NewReader(recording))
			if err != nil {
				t.Fatal(err)
			}
			if name == "hostile" { // JSON has no bytes that are not UTF-8
				r = read
				if read, err = ReadReport(bytes.NewReader(record(t, read))); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(rendered(t, r), rendered(t, read)); diff != "" {
				t.Errorf("what was recorded (-) and what is read (+):\n%s", diff)
			}
		})
	}
}

// What was written once is read for ever: the file is never written again, and shows
// what it showed.
func TestOldRecording(t *testing.T) {
	for version := 1; version <= RecordingVersion; version++ {
		name := fmt.Sprintf("recording-v%d", version)
		raw, err := os.ReadFile("testdata/" + name + ".ltz")
		if err != nil {
			t.Fatal(err)
		}
		r, err := ReadReport(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := r.Write(&text, "text"); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", []byte(text.String()))
	}
}

func TestDamagedRecording(t *testing.T) {
	whole := reports()["leaks"]
	raw := record(t, whole)
	want := 0
	for n := 0; n < len(raw); n += 5 {
		r, err := ReadReport(bytes.NewReader(raw[:n]))
		if err != nil {
			if want > 0 {
				t.Fatalf("with %d bytes less could be read than with fewer: %v", n, err)
			}
			continue
		}
		if len(r.Sites) < want || len(r.Sites)+r.SitesMissing != len(whole.Sites) {
			t.Fatalf("of %d bytes: %d sites, %d missing", n, len(r.Sites), r.SitesMissing)
		}
		if len(r.Sites) > want {
			writeAll(r)
		}
		want = len(r.Sites)
	}
	if want == 0 {
		t.Error("nothing was read of any part")
	}
}

// Whatever is broken, nothing breaks that reads it, and nothing is taken for whole.
func TestBrokenRecording(t *testing.T) {
	whole := reports()["leaks"]
	raw, want := record(t, whole), rendered(t, whole)["json"]
	var damaged []*Report
	for i := 0; i < len(raw); i += 11 {
		broken := slices.Clone(raw)
		broken[i] ^= 1 << (i % 8)
		r, err := ReadReport(bytes.NewReader(broken))
		switch {
		case err != nil:
		case r.Damaged:
			damaged = append(damaged, r)
		case rendered(t, r)["json"] != want:
			t.Errorf("bit %d of byte %d: not noticed", i%8, i)
		}
	}
	for i := 0; i < len(damaged); i += 40 {
		writeAll(damaged[i])
	}
	if len(damaged) == 0 {
		t.Error("nothing was read of any")
	}
}

// What is small when packed does not become large.
func TestHugeRecording(t *testing.T) {
	lines := strings.SplitAfter(unpack(t, record(t, reports()["leaks"])), "\n")
	many := strings.Repeat("{},", 1<<21)
	for name, line := range map[string]string{
		"a line":   strings.Replace(lines[1], `"samples":[`, `"samples":[`+many+many, 1),
		"in lines": strings.Repeat(strings.Replace(lines[1], `"samples":[`, `"samples":[`+many, 1), 8),
	} {
		var before, after runtime.MemStats
		raw := pack(t, lines[0]+line)
		runtime.ReadMemStats(&before)
		r, err := ReadReport(bytes.NewReader(raw))
		runtime.ReadMemStats(&after)
		if err != nil || !r.Damaged || r.Damage() == "" {
			t.Errorf("%s: error %v, or not said", name, err)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<30 {
			t.Errorf("%s: of %d bytes it took %s", name, len(raw), humanBytes(taken))
		}
	}
}

// A report of a part says so whenever it is recorded again.
func TestDamageIsRecorded(t *testing.T) {
	lines := strings.SplitAfter(unpack(t, record(t, reports()["leaks"])), "\n")
	cut, err := ReadReport(bytes.NewReader(pack(t, strings.Join(lines[:3], ""))))
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadReport(bytes.NewReader(record(t, cut)))
	if err != nil {
		t.Fatal(err)
	}
	if again.Damage() == "" || again.Damage() != cut.Damage() || again.SitesMissing != len(reports()["leaks"].Sites)-2 {
		t.Errorf("%q became %q", cut.Damage(), again.Damage())
	}
}

// What a file says is shown, not done, on terminals and in what others read.
func TestHostileRecording(t *testing.T) {
	for name, r := range reports() {
		for i := range r.Sites {
			s := &r.Sites[i]
			s.Kind, s.Reason, s.Assumed = tracer.Kind(hostile(s.Kind)), hostile(s.Reason), hostile(s.Assumed)
			for j := range s.Limits {
				s.Limits[j].Resource = limit.Resource(hostile(s.Limits[j].Resource))
			}
		}
		for i := range r.OwnLimits {
			r.OwnLimits[i].Resource = limit.Resource(hostile(r.OwnLimits[i].Resource))
		}
		read, err := ReadReport(bytes.NewReader(record(t, r)))
		if err != nil {
			t.Fatal(err)
		}
		out := rendered(t, read)
		delete(out, "json") // escapes as JSON does
		delete(out, "pprof")
		p, err := read.Profile()
		if err != nil {
			t.Fatal(err)
		}
		out["comments"] = strings.Join(append(p.Comments, read.Headline()...), "\n")
		var block, site strings.Builder
		if err := read.WriteBlock(&block, TextOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, s := range read.Sites {
			fmt.Fprintf(&site, "%+v\n", s.Row())
			if err := read.WriteSite(&site, s, TextOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		out["block"], out["site"] = block.String(), site.String()
		for format, text := range out {
			if strings.ContainsAny(text, "\x1b\x00\a") {
				t.Errorf("%s: %s has control characters:\n%q", name, format, text)
			}
		}
	}
}

func hostile[S ~string](s S) string { return string(s) + "\x1b[2J\x00\x1b]0;owned\a" }

// writeAll is for reports that may not make sense: it must not panic.
func writeAll(r *Report) {
	for _, format := range Formats() {
		_ = r.Write(io.Discard, format)
	}
	_ = r.WriteJUnit(io.Discard)
}

func TestDamagedRecordingIsReported(t *testing.T) {
	r := reports()["leaks"]
	var text strings.Builder
	lines := strings.SplitAfter(unpack(t, record(t, r)), "\n")
	cut, err := ReadReport(bytes.NewReader(pack(t, strings.Join(lines[:2], "")+"{")))
	if err != nil {
		t.Fatal(err)
	}
	if err := cut.WriteText(&text, TextOptions{}); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("the recording is damaged or cut off: %d sites of %d missing here\n", len(r.Sites)-1, len(r.Sites))
	if !strings.Contains(text.String(), want) {
		t.Errorf("without %q:\n%s", want, text.String())
	}
}

// What leaks may be among what is missing: nothing says that nothing leaks.
func TestDamagedRecordingIsNoAllClear(t *testing.T) {
	header, _, _ := strings.Cut(unpack(t, record(t, reports()["leaks"])), "\n")
	r, err := ReadReport(bytes.NewReader(pack(t, header+"\n{")))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"cannot tell whether anything leaks in orders (pid 4711), watched for 15s", "the recording is " + r.Damage()}
	if got := lines(r, r.writeHeadline); !slices.Equal(got[:2], want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := parse(t, r).Comments; !slices.Equal(got, want) {
		t.Errorf("pprof: got %q, want %q", got, want)
	}
	suite := readJUnit(t, r)
	if got := suite.Cases[0].said(); got != "error: "+want[1] || suite.Errors != 1 || suite.Failures != 0 {
		t.Errorf("JUnit: %q, %d errors, %d failures", got, suite.Errors, suite.Failures)
	}
}

func TestRecordingRefuses(t *testing.T) {
	whole := unpack(t, record(t, reports()["clean"]))
	change := func(old, new string) []byte {
		if strings.Count(whole, old) != 1 {
			t.Fatal(old)
		}
		return pack(t, strings.Replace(whole, old, new, 1))
	}
	tests := map[string]struct {
		raw  []byte
		want string
	}{
		"no more than a mark": {zstdMagic, "nothing can be read of it: unexpected EOF"},
		"empty":               {pack(t, ""), "nothing can be read of it: EOF"},
		"other text":          {pack(t, "root:x:0"), "not a recording of leaktrace"},
		"other JSON":          {pack(t, `{"a": 1}`), "not a recording of leaktrace"},
		"newer":               {change(`{"leaktrace_recording":1`, `{"leaktrace_recording":2`), "a recording of version 2, and this leaktrace reads up to 1; use the one that wrote it, or a newer one"},
		"type":                {change(`"duration_s":15`, `"duration_s":"15"`), "line 1, column 145: report.duration_s: expected a number, found string"},
		"missing":             {change(`"report":{`, `"report":{"sites_missing":-3,`), "sites_missing: expected a number from 0 to 1.099511627776e+12, found -3"},
		"long line":           {change(`"report":{`, `"a":"`+strings.Repeat(" ", 9<<20)+`","report":{`), "nothing can be read of it: a line is longer than 8.0 MiB"},
		"duration":            {change(`"duration_s":`, `"duration_s":-`), "duration_s: expected a number from 0 to 9e+09, found -15"},
		"number of sites":     {change(`"leaktrace_recording":1,"sites":`, `"leaktrace_recording":1,"sites":-`), "sites: expected a number from 0 to 65536, found -2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadReport(bytes.NewReader(tt.raw)); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
	bomb := pack(t, strings.Replace(whole, "\n", strings.Repeat(" ", 2<<20)+"\n", 1))
	if _, err := readRecording(bytes.NewReader(bomb), 1<<20); err == nil || err.Error() != "larger than 1.0 MiB" {
		t.Errorf("error %v of what is large when unpacked", err)
	}
}

// A report in JSON is no recording: it has samples of its objects only.
func TestProfileOfJSON(t *testing.T) {
	var out bytes.Buffer
	if err := reports()["leaks"].WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	r, err := ReadReport(&out)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"pprof", "ltz"} {
		var out bytes.Buffer
		if err := r.Write(&out, format); err == nil || !strings.Contains(err.Error(), "use a recording") || out.Len() > 0 {
			t.Errorf("%s: error %v, and %d bytes are written", format, err, out.Len())
		}
	}
}

func pack(t *testing.T, text string) []byte {
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll([]byte(text), nil)
}

func unpack(t *testing.T, raw []byte) string {
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := z.DecodeAll(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
