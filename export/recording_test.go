package export

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
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
	// Whatever is broken, nothing breaks that reads it.
	for i := 0; i < len(raw); i += 23 {
		broken := slices.Clone(raw)
		broken[i] ^= 0x40
		if r, err := ReadReport(bytes.NewReader(broken)); err == nil {
			writeAll(r)
		}
	}
}

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
		"duration":            {change(`"duration_s":`, `"duration_s":-`), "duration_s: expected a number from 0 to 9e+09, found -15"},
		"number of sites":     {change(`"leaktrace_recording":1,"sites":`, `"leaktrace_recording":1,"sites":-`), "sites: expected a number from 0 to 1.099511627776e+12, found -2"},
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
	if _, err := r.Profile(); err == nil || !strings.Contains(err.Error(), "use a recording") {
		t.Errorf("error %v", err)
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
