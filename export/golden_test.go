package export

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; rewrite with go test -update):\n%s", path, diff)
	}
}

func TestGolden(t *testing.T) {
	formats := map[string]func(*Report, io.Writer) error{
		"txt":    func(r *Report, w io.Writer) error { return r.WriteText(w, TextOptions{}) },
		"80.txt": func(r *Report, w io.Writer) error { return r.WriteText(w, TextOptions{Width: 80, Rows: 2, Samples: 2}) },
		"brief":  func(r *Report, w io.Writer) error { return r.WriteText(w, TextOptions{Brief: true, Samples: 1}) },
		"block":  func(r *Report, w io.Writer) error { return r.WriteBlock(w, TextOptions{Width: 80, Rows: 6}) },
		"json":   (*Report).WriteJSON,
		"folded": (*Report).WriteFolded,
	}
	for name, r := range reports() {
		for ext, write := range formats {
			t.Run(name+"."+ext, func(t *testing.T) {
				var out bytes.Buffer
				if err := write(r, &out); err != nil {
					t.Fatal(err)
				}
				golden(t, name+"."+ext, out.Bytes())
			})
		}
	}
}

func TestSchema(t *testing.T) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	schema, err := c.Compile("report.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range reports() {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := r.WriteJSON(&out); err != nil {
				t.Fatal(err)
			}
			document, err := jsonschema.UnmarshalJSON(bytes.NewReader(out.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(document); err != nil {
				t.Errorf("%v\n%s", err, out.Bytes())
			}
			// A sample of another kind must not pass: the schema is not vacuous.
			if len(r.Sites) > 0 {
				site := document.(map[string]any)["sites"].([]any)[0].(map[string]any)
				site["samples"] = []any{map[string]any{"age_s": 1, "before_tracing": true}}
				if schema.Validate(document) == nil {
					t.Error("schema accepts a sample without a subject")
				}
			}
		})
	}
}

// What later commands read back must be what was written.
func TestJSONRoundTrip(t *testing.T) {
	want := reports()["lossy"]
	var out bytes.Buffer
	if err := want.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	got := new(Report)
	if err := json.Unmarshal(out.Bytes(), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Site{})); diff != "" {
		t.Error(diff)
	}
}

func TestWriteKnowsItsFormats(t *testing.T) {
	r := reports()["leaks"]
	for _, format := range Formats() {
		var out bytes.Buffer
		if err := r.Write(&out, format); err != nil || out.Len() == 0 {
			t.Errorf("%s: %d bytes, error %v", format, out.Len(), err)
		}
	}
	if err := r.Write(io.Discard, "xml"); err == nil || slices.Contains(Formats(), "xml") {
		t.Error("xml is not refused")
	}
}

type fullDisk struct{}

var errFull = errors.New("no space left on device")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrorsAreReported(t *testing.T) {
	r := reports()["leaks"]
	for _, format := range Formats() {
		if err := r.Write(fullDisk{}, format); !errors.Is(err, errFull) {
			t.Errorf("%s: error %v", format, err)
		}
	}
	if err := r.WriteBlock(fullDisk{}, TextOptions{}); !errors.Is(err, errFull) {
		t.Errorf("block: error %v", err)
	}
}
