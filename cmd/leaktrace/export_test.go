package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leaktrace/leaktrace/export/node"
	"github.com/leaktrace/leaktrace/tracer"
)

// fakeTracer traces a node with one process, and notes what it is told.
type fakeTracer struct {
	admit  func(string) bool
	closed bool
	err    error
}

func (f *fakeTracer) TraceNode(admit func(string) bool) error { f.admit = admit; return f.err }
func (f *fakeTracer) Close() error                            { f.closed = true; return nil }
func (f *fakeTracer) Costs() []tracer.Cost                    { return nil }
func (f *fakeTracer) Parked([]tracer.Object) ([]tracer.Parked, error) {
	return nil, nil
}

func (f *fakeTracer) Snapshot() (*tracer.Snapshot, error) {
	return &tracer.Snapshot{Time: time.Now(), Processes: make([]tracer.ProcessActivity, 1)}, nil
}

// lines is output that can be waited for.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

// await returns what a pattern's group matches, once it does.
func (l *lines) await(t *testing.T, pattern string) string {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		text := l.text.String()
		l.mu.Unlock()
		if found := regexp.MustCompile(pattern).FindStringSubmatch(text); found != nil {
			return found[len(found)-1]
		}
		select {
		case <-l.more:
		case <-deadline:
			t.Fatalf("waited in vain for %s in\n%s", pattern, text)
		}
	}
}

// fetch gets a page as it is.
func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// awaitPage waits until a page has a text.
func awaitPage(t *testing.T, url, text string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		page := fetch(t, url)
		if strings.Contains(page, text) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s has no %q:\n%s", url, text, page)
		}
	}
}

// The exporter serves, reloads, keeps its settings when a file is bad, and ends.
func TestExportNode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.yml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("interval: 1s\nfilters: {cgroups: [/a*]}\n")
	fake, log := &fakeTracer{}, &lines{more: make(chan struct{}, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- exportNode(env{stderr: log}, exportOptions{listen: "127.0.0.1:0", config: path, node: "here"},
			func() (nodeTracer, error) { return fake, nil })
	}()
	url := "http://" + log.await(t, `watching this machine.* listen=(\S+)`)
	awaitPage(t, url+"/metrics", `leaktrace_traced_processes{node="here"} 1`)
	awaitPage(t, url+"/metrics", `leaktrace_config_last_reload_successful{node="here"} 1`)
	awaitPage(t, url+"/readyz", "ok")
	hangUp := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	if !fake.admit("/abc") || fake.admit("/b") {
		t.Error("the filter of the file is not the tracer's")
	}
	write("interval: 1s\nfilters: {cgroup: [/b*]}\n")
	hangUp()
	log.await(t, `level=ERROR msg="the configuration was not reloaded, the one before stays in force" err="configuration .*: line 2: field cgroup not found .*"\n`)
	awaitPage(t, url+"/metrics", `leaktrace_config_last_reload_successful{node="here"} 0`)
	if !fake.admit("/abc") || fake.admit("/b") {
		t.Error("a bad file has changed the filter")
	}
	write("interval: 1s\nfilters: {cgroups: [/b*]}\n")
	hangUp()
	log.await(t, `level=INFO msg="the configuration was reloaded" file=`)
	awaitPage(t, url+"/metrics", `leaktrace_config_last_reload_successful{node="here"} 1`)
	if fake.admit("/abc") || !fake.admit("/b") {
		t.Error("the new file has not changed the filter")
	}
	// One who waits for what changes does not keep it from ending.
	waited := make(chan string, 1)
	go func() { waited <- fmt.Sprint(http.Get(url + "/debug/pprof/leaks?seconds=600")) }()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil || !fake.closed {
		t.Errorf("ended with error %v, the tracer is closed: %t", err, fake.closed)
	}
	<-waited
}

// Whose the cgroups are is known before it is asked what is to be traced.
func TestNamesComeFirst(t *testing.T) {
	const uid, id = "11111111-2222-3333-4444-555555555555", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch query := r.URL.Query(); {
		case query.Get("sendInitialEvents") != "":
			w.WriteHeader(http.StatusUnprocessableEntity) // as older servers say
			fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Invalid","code":%d}`, http.StatusUnprocessableEntity)
		case query.Get("watch") != "":
			<-r.Context().Done()
		default:
			fmt.Fprintf(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[
				{"metadata":{"name":"till-0","namespace":"bank","uid":%q}}]}`, uid)
		}
	}))
	defer server.Close()
	defer server.CloseClientConnections()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"clusters":[{"name":"c","cluster":{"server":%q}}],
		"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`, server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	admitted := true
	fake := &fakeTracer{err: errors.New("enough")}
	o := exportOptions{listen: "127.0.0.1:0", node: "here", filter: node.Filter{Namespaces: []string{"shop"}}}
	err := exportNode(env{stderr: io.Discard}, o, func() (nodeTracer, error) {
		return tracing{fake, func(admit func(string) bool) { admitted = admit("/kubepods/pod" + uid + "/" + id) }}, nil
	})
	if !errors.Is(err, fake.err) || admitted {
		t.Errorf("error %v, a pod of another namespace is traced: %t", err, admitted)
	}
}

// tracing looks at what is to be traced.
type tracing struct {
	*fakeTracer
	look func(admit func(string) bool)
}

func (t tracing) TraceNode(admit func(string) bool) error {
	t.look(admit)
	return t.fakeTracer.TraceNode(admit)
}

// Probes of a TCP port leave nothing in the log, and other mistakes do.
func TestProbesAreNotLogged(t *testing.T) {
	var out bytes.Buffer
	log := slog.NewLogLogger(unprobed{slog.NewTextHandler(&out, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})}, slog.LevelWarn)
	log.Print("http: TLS handshake error from 10.0.0.1:40000: EOF")
	log.Print("http: TLS handshake error from 10.0.0.1:40000: remote error: tls: bad certificate")
	log.Print("http: Accept error: EOF")
	want := `level=WARN msg="http: TLS handshake error from 10.0.0.1:40000: remote error: tls: bad certificate"` + "\n" +
		`level=WARN msg="http: Accept error: EOF"` + "\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// What the user got wrong is said before anything is traced, and once.
func TestExportRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"config.yml":   "intervall: 1s\n",
		"noweb.yml":    "tls_server_config: {cert_file: none.pem, key_file: none.key}\n",
		"badcert.yml":  "tls_server_config: {cert_file: bad.pem, key_file: bad.pem}\n",
		"unknown.yml":  "tls: {}\n",
		"password.yml": "basic_auth_users: {me: plain}\n",
		"bad.pem":      "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	for name, tt := range map[string]struct {
		options exportOptions
		want    string
	}{
		"taken port":      {exportOptions{listen: taken.Addr().String()}, "serve at " + taken.Addr().String() + ": address already in use"},
		"foreign address": {exportOptions{listen: "192.0.2.1:0"}, "cannot assign requested address"},
		"configuration":   {exportOptions{config: in("config.yml")}, "config.yml: line 1: field intervall not found"},
		"no certificate":  {exportOptions{webConfig: in("noweb.yml")}, "none.pem: no such file or directory"},
		"bad certificate": {exportOptions{webConfig: in("badcert.yml")}, "web configuration " + in("badcert.yml") + ": "},
		"unknown key":     {exportOptions{webConfig: in("unknown.yml")}, "unknown.yml: line 1: field tls not found"},
		"plain password":  {exportOptions{webConfig: in("password.yml")}, "web configuration " + in("password.yml") + ": "},
		"no web file":     {exportOptions{webConfig: in("nothing.yml")}, "nothing.yml: no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.options.listen == "" {
				tt.options.listen = "127.0.0.1:0"
			}
			err := exportNode(env{stderr: io.Discard}, tt.options, func() (nodeTracer, error) {
				t.Error("a tracer was opened")
				return nil, errors.New("opened")
			})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// A tracer that cannot begin is closed, and the port is free again.
func TestExportCannotTrace(t *testing.T) {
	fake := &fakeTracer{err: errors.New("no BPF here")}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := exportOptions{listen: listener.Addr().String(), node: "here"}
	listener.Close()
	if err := exportNode(env{stderr: io.Discard}, o, func() (nodeTracer, error) { return fake, nil }); !errors.Is(err, fake.err) || !fake.closed {
		t.Errorf("error %v, the tracer is closed: %t", err, fake.closed)
	}
	again, err := net.Listen("tcp", o.listen)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
