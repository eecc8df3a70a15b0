package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// A file keeps what is in it until something is written, by whatever way.
func TestOpenOutput(t *testing.T) {
	for name, tt := range map[string]struct{ before, written, want string }{
		"nothing written": {"an earlier report", "", "an earlier report"},
		"shorter":         {"an earlier report", "new", "new"},
		"new":             {"", "new", "new"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "report")
			if tt.before != "" {
				if err := os.WriteFile(path, []byte(tt.before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, err := openOutput(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, piece := range tt.written {
				if _, err := io.WriteString(out, string(piece)); err != nil {
					t.Fatal(err)
				}
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tt.want {
				t.Errorf("%q is left (%v), want %q", got, err, tt.want)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "none")
	out, err := openOutput(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("an empty file is left")
	}
}
