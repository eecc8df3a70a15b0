package tests

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

var restarts = flag.Int("restarts", 6, "how often TestRestarts starts the exporter anew")

// A service that leaks nothing is never accused by an exporter that begins to watch
// it in the middle of its work, over and over; and wherever one is killed, it leaves
// nothing in the kernel. Not parallel: it looks at all programs of the machine.
func TestRestarts(t *testing.T) {
	root := mountCgroup(t, "cgroup2", "")
	group := newNodeGroup(t, root)
	stop := load(t, group)
	defer stop()
	config := filepath.Join(t.TempDir(), "leaktrace.yml")
	if err := os.WriteFile(config, []byte("interval: 1s\nmin_age: 1s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for i := range *restarts {
		signal := syscall.SIGKILL
		if i%3 == 2 {
			signal = syscall.SIGTERM
		}
		e := startExporter(t, "--config", config, "--cgroup", group.path)
		life := time.Duration(chance.Int64N(int64(6 * time.Second)))
		if i%2 == 0 {
			e.watch(life) // or else it may not even be ready
		} else {
			<-time.After(life / 10)
		}
		e.kill(signal)
		if err := awaitUnattached(); err != nil {
			t.Error(err)
		}
	}
}

// load keeps a service busy that creates and gives back all there is, and holds some
// of each in a pool.
func load(t *testing.T, group *nodeGroup) (stop func()) {
	t.Helper()
	churn := group.start(t, "churn", "200", "40", "100", "0")
	pool := group.start(t, "pools", "fixed")
	pool.send("go 10")
	pool.line()
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
				churn.send("go")
				churn.line()
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(end)
		<-ended
		churn.end()
		pool.end()
	})
}

// exporting is an exporter at work.
type exporting struct {
	t   testing.TB
	cmd *exec.Cmd
	url string
	log *bytes.Buffer
}

func startExporter(t testing.TB, args ...string) *exporting {
	t.Helper()
	leaktrace, err := buildLeaktrace()
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	e := &exporting{t, exec.Command(leaktrace, append([]string{"export", "--listen", address}, args...)...), "http://" + address, new(bytes.Buffer)}
	e.cmd.Stderr = e.log
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.cmd.Process.Kill() }) // it has ended, unless the test failed
	return e
}

// kill ends the exporter, and checks how it ended.
func (e *exporting) kill(signal syscall.Signal) {
	e.t.Helper()
	if err := e.cmd.Process.Signal(signal); err != nil {
		e.t.Fatal(err)
	}
	_ = e.cmd.Wait() // the status says more
	status := e.cmd.ProcessState.Sys().(syscall.WaitStatus)
	clean := signal == syscall.SIGTERM && status.ExitStatus() == 0
	if killed := status.Signaled() && status.Signal() == signal; !killed && !clean {
		e.t.Errorf("it ended with %s\n%s", e.cmd.ProcessState, e.log)
	}
	if strings.Contains(e.log.String(), "ERROR") {
		e.t.Error(e.log)
	}
}

// watch looks for a while at what the exporter says, and accepts no accusation.
func (e *exporting) watch(d time.Duration) {
	e.t.Helper()
	seen := 0
	for deadline, end := time.Now().Add(patience), time.Now().Add(d); seen == 0 || time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = e.cmd.Process.Signal(syscall.SIGQUIT)
			_ = e.cmd.Wait() // its log says then where every goroutine is
			e.t.Fatalf("the exporter shows nothing\n%s", e.log)
		}
		accused, series := e.accused()
		seen = max(seen, series)
		if len(accused) > 0 {
			report, _ := http.Get(e.url + "/debug/leaks?format=text")
			var text bytes.Buffer
			if report != nil {
				_, _ = text.ReadFrom(report.Body)
				_ = report.Body.Close()
			}
			e.t.Fatalf("accused though nothing leaks: %v\n%s", accused, &text)
		}
	}
}

// accused lists what is said to leak, and how many series there are of all objects.
func (e *exporting) accused() (accused []string, series int) {
	e.t.Helper()
	client := http.Client{Timeout: patience} // it listens before it serves
	response, err := client.Get(e.url + "/metrics")
	if err != nil {
		return nil, 0 // it is not ready
	}
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(response.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	for _, m := range families["leaktrace_leaked_objects"].GetMetric() {
		series++
		if m.GetGauge().GetValue() > 0 {
			accused = append(accused, fmt.Sprint(m.GetLabel(), m.GetGauge().GetValue()))
		}
	}
	return accused, series
}
