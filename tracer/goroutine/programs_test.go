//go:build releases

package goroutine

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// accept is where a service waits that serves.
const accept = "net.(*netFD).accept"

// services are programs of others, in their modules, the function in which a goroutine
// waits when all have begun, and how they are run so that they listen somewhere. DIR is a
// directory of their own.
var services = []struct {
	module, program, waits string
	args                   []string
}{
	{"github.com/prometheus/node_exporter@v1.9.1", ".", accept, []string{"--web.listen-address=127.0.0.1:0"}},
	{
		"github.com/prometheus/prometheus@v0.308.0", "./cmd/prometheus", "github.com/prometheus/prometheus/scrape.(*Manager).Run",
		[]string{"--config.file=/dev/null", "--storage.tsdb.path=DIR", "--web.listen-address=127.0.0.1:0"},
	},
	{"github.com/nats-io/nats-server/v2@v2.11.6", ".", accept, []string{"--addr", "127.0.0.1", "--port", "-1"}},
	{"golang.org/x/tools/gopls@v0.20.0", ".", accept, []string{"serve", "-listen=127.0.0.1:0"}},
}

// TestPrograms reads programs that have ten times as many functions as those of
// testdata, stripped, and compares with what their own runtimes say. A goroutine may
// have run in between: most must not.
func TestPrograms(t *testing.T) {
	for _, service := range services {
		t.Run(service.module, func(t *testing.T) {
			dir := t.TempDir()
			args := slices.Clone(service.args)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], "DIR", dir)
			}
			p := run(t, install(t, service.module, service.program), args...)
			got := awaitCall(t, open(t, p.pid()), service.waits)
			want := parseDump(t, p.quit())
			same := 0
			var moved []string
			for id, w := range want {
				g, ok := got[id]
				if ok && (g.Creator != w.Creator || g.Parent != w.Parent) {
					t.Errorf("goroutine %d was started by %d at %s, not by %d at %s", id, w.Parent, w.Creator, g.Parent, g.Creator)
				}
				if diff := cmp.Diff(w, g); diff != "" {
					moved = append(moved, diff)
				} else {
					same++
				}
			}
			t.Logf("%d goroutines, %d of them the same", len(want), same)
			if same < 5 || len(moved) > same/2 {
				t.Errorf("%d goroutines are not the same, among them (-its runtime, +read)\n%s", len(moved), strings.Join(moved, "\n"))
			}
		})
	}
}

// install builds a program of others as one does for a release: in its module, for go
// install takes none with replaced or excluded dependencies.
func install(t *testing.T, module, program string) string {
	t.Helper()
	var downloaded struct{ Dir string }
	output, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err == nil {
		err = json.Unmarshal(output, &downloaded)
	}
	if err != nil {
		t.Fatalf("download %s: %v\n%s", module, err, output)
	}
	path := filepath.Join(t.TempDir(), "service")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, program)
	cmd.Dir = downloaded.Dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-buildvcs=false", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return path
}

// awaitCall reads until a goroutine waits in a function.
func awaitCall(t *testing.T, r *Runtime, function string) map[uint64]told {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		all := seen(t, r)
		for _, g := range all {
			if slices.ContainsFunc(g.Stack, func(call string) bool { return strings.HasPrefix(call, function+" ") }) {
				return all
			}
		}
	}
	t.Fatalf("none waits in %s", function)
	return nil
}

// TestDebian refuses a program of Debian 12, whose Go is too old, in one line.
func TestDebian(t *testing.T) {
	p := run(t, "/usr/bin/prometheus-node-exporter", "--web.listen-address=127.0.0.1:0")
	_, err := Open(programOf(t, p.pid()), live(p.pid()), NewRoom())
	if !errors.Is(err, errOld) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v, not %v", err, errOld)
	}
}
