package deploy

import (
	"os"
	"path/filepath"
	"testing"
)

// shipped is the path of a file in deploy/.
func shipped(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("../../deploy", name))
	must(t, err)
	return path
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(shipped(t, name))
	must(t, err)
	return content
}
