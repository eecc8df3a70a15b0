package workload

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patience bounds every wait.
const patience = 30 * time.Second

// await waits for what takes milliseconds.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not in %v", what, patience)
		}
	}
}

// awaitOf waits for an answer to be the one that is wanted.
func awaitOf(t *testing.T, d *Directory, cgroup string, want Workload) {
	t.Helper()
	await(t, fmt.Sprintf("%s is %+v", cgroup, want), func() bool { return cmp.Equal(d.Of(cgroup), want) })
}

// lines are what was logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// running makes a directory that asks nothing but the API server, and runs it.
func running(t *testing.T, kubeconfig string) (*Directory, *lines) {
	t.Helper()
	said := new(lines)
	nowhere := []string{}
	d, err := New(Options{Node: "n1", Kubeconfig: kubeconfig, CRI: nowhere, Docker: nowhere, Podman: nowhere,
		Log: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	run(t, d)
	return d, said
}

func run(t *testing.T, d *Directory) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func TestPods(t *testing.T) {
	for _, old := range []bool{false, true} {
		t.Run(fmt.Sprintf("old=%v", old), func(t *testing.T) {
			server, kubeconfig := newAPIServer(t)
			server.old = old
			listed := server.set("prod", "web-0", uid, map[string]string{"web": a})
			d, said := running(t, kubeconfig)

			inWeb, inPod := "/kubepods/pod"+uid+"/"+a, "/kubepods/pod"+uid+"/"+b
			web := Workload{Namespace: "prod", Pod: "web-0", Container: "web"}
			awaitOf(t, d, inWeb, web)
			if diff := cmp.Diff(Workload{"prod", "web-0", b[:12]}, d.Of(inPod)); diff != "" {
				t.Errorf("a container that the status lacks yet (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(Workload{"prod", "web-0", ""}, d.Of("/kubepods/pod"+uid)); diff != "" {
				t.Errorf("the pod's cgroup (-want +got):\n%s", diff)
			}

			server.set("prod", "web-0", uid, map[string]string{"web": a, "side": b})
			awaitOf(t, d, inPod, Workload{"prod", "web-0", "side"})

			other := "/kubepods/pod" + strings.Replace(uid, "8", "9", 1) + "/" + strings.Repeat("5", 64)
			if diff := cmp.Diff(Workload{Unknown, Unknown, "555555555555"}, d.Of(other)); diff != "" {
				t.Errorf("a pod that nobody knows (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]SourceState{{Name: "kubernetes", Up: true}}, d.Sources()); diff != "" {
				t.Errorf("sources (-want +got):\n%s", diff)
			}
			// A pod that is gone is known for its last scrape.
			server.remove(listed)
			await(t, "the pod is removed", func() bool { _, ok := d.pods.pod(uid); return !ok })
			awaitOf(t, d, inWeb, web)
			server.mu.Lock()
			defer server.mu.Unlock()
			for _, query := range server.queries {
				if query != "spec.nodeName=n1" {
					t.Errorf("asked for pods of %q", query)
				}
			}
			if got := strings.Count(said.String(), "\n"); got != 1 {
				t.Errorf("said %d lines:\n%s", got, said)
			}
		})
	}
}

// A pod of a file has one UID in its cgroup and another one at the API server.
func TestStaticPod(t *testing.T) {
	server, kubeconfig := newAPIServer(t)
	pod := &corev1.Pod{TypeMeta: podType, ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "etcd-n1", UID: uid,
		Annotations: map[string]string{hashAnnotation: file}}}
	pod.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "prepare", ContainerID: "cri-o://" + a}}
	pod.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{{Name: "debug", ContainerID: "docker://" + b}}
	server.put(pod)
	d, _ := running(t, kubeconfig)
	awaitOf(t, d, "/kubepods/burstable/pod"+file, Workload{"kube-system", "etcd-n1", ""})
	awaitOf(t, d, "/kubepods/burstable/pod"+file+"/"+a, Workload{"kube-system", "etcd-n1", "prepare"})
	awaitOf(t, d, "/kubepods/burstable/pod"+file+"/"+b, Workload{"kube-system", "etcd-n1", "debug"})
}

func TestStrip(t *testing.T) {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "n", UID: uid, ResourceVersion: "7",
			Labels: map[string]string{"l": "l"}, Annotations: map[string]string{hashAnnotation: file, "big": "big"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}},
		Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning,
			ContainerStatuses: []corev1.ContainerStatus{{Name: "c", ContainerID: "containerd://" + a, Image: "i", Ready: true}}},
	}
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "n", UID: uid, ResourceVersion: "7",
			Annotations: map[string]string{hashAnnotation: file}},
		Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "c", ContainerID: "containerd://" + a}}},
	}
	got, err := strip(pod)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// An API server that refuses is asked again, and one line says what is missing.
func TestAPIServerRefuses(t *testing.T) {
	server, kubeconfig := newAPIServer(t)
	server.set("prod", "web-0", uid, map[string]string{"web": a})
	server.refuse(failure(http.StatusForbidden, metav1.StatusReasonForbidden, `pods is forbidden: User "leaktrace" cannot list resource "pods"`))
	d, said := running(t, kubeconfig)
	cgroup := "/kubepods/pod" + uid + "/" + a
	want := []SourceState{{Name: "kubernetes",
		Err: "watch pods of node n1 at " + server.url + `: pods is forbidden: User "leaktrace" cannot list resource "pods"`}}
	await(t, "the refusal is known", func() bool { return cmp.Equal(want, d.Sources()) })
	if diff := cmp.Diff(Workload{Unknown, Unknown, a[:12]}, d.Of(cgroup)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	server.refuse(nil)
	awaitOf(t, d, cgroup, Workload{"prod", "web-0", "web"})
	if diff := cmp.Diff([]SourceState{{Name: "kubernetes", Up: true}}, d.Sources()); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if text := said.String(); strings.Count(text, "level=WARN") != 1 || strings.Count(text, "level=INFO") != 1 {
		t.Errorf("said:\n%s", text)
	}
}

// Nobody waits for an API server that is down, or does not answer.
func TestAPIServerAway(t *testing.T) {
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hangs.Close()
	defer hangs.CloseClientConnections()
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	for _, test := range []struct{ name, url, want string }{
		{"hangs", hangs.URL, "no answer yet"},
		{"down", down.URL, "watch pods of node n1 at " + down.URL + ": dial tcp " + down.Listener.Addr().String() + ": connect: connection refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, _ := running(t, kubeconfig(t, test.url))
			if diff := cmp.Diff(Workload{Unknown, Unknown, a[:12]}, d.Of("/kubepods/pod"+uid+"/"+a)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			await(t, "it is told", func() bool {
				return cmp.Equal([]SourceState{{Name: "kubernetes", Err: test.want}}, d.Sources())
			})
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		_, err := (&patient{hangs, answerHeader}).RoundTrip(request)
		if err == nil || err.Error() != "no answer in 30s" || time.Since(began) != answerHeader {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		// What has begun in time may take its time.
		var begun context.Context
		begins := roundTripper(func(r *http.Request) (*http.Response, error) {
			begun = r.Context()
			return &http.Response{Body: http.NoBody}, nil
		})
		response, err := (&patient{begins, answerHeader}).RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if begun.Err() != nil {
			t.Errorf("a watch ended by itself: %v", context.Cause(begun))
		}
		_ = response.Body.Close()
		if begun.Err() == nil {
			t.Error("the request goes on after its body was closed")
		}
	})
}

func TestConfiguration(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	t.Setenv("KUBECONFIG", "")
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("clusters: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	good := kubeconfig(t, "http://127.0.0.1:1")
	for _, test := range []struct {
		name       string
		options    Options
		env, value string
		sources    int
		err        string
	}{
		{name: "none"},
		{name: "option", options: Options{Node: "n1", Kubeconfig: good}, sources: 1},
		{name: "environment", options: Options{Node: "n1"}, env: "KUBECONFIG", value: good, sources: 1},
		{name: "several", options: Options{Node: "n1"}, env: "KUBECONFIG", value: "/nonexistent:" + good + ":" + good, sources: 1},
		{name: "one of several malformed", options: Options{Node: "n1"}, env: "KUBECONFIG", value: good + ":" + bad,
			err: "read the kubeconfig " + good + ":" + bad + ": "},
		{name: "none of several", options: Options{Node: "n1"}, env: "KUBECONFIG", value: "/nonexistent:/nothing",
			err: "read the kubeconfig /nonexistent:/nothing: "},
		{name: "malformed", options: Options{Node: "n1"}, env: "KUBECONFIG", value: bad, err: "read the kubeconfig " + bad + ": "},
		{name: "missing", options: Options{Node: "n1", Kubeconfig: "/nonexistent"}, err: "read the kubeconfig /nonexistent: "},
		{name: "no node", options: Options{Kubeconfig: good}, err: "watch pods: name this node"},
		{name: "a pod without a token", options: Options{Node: "n1"}, env: "KUBERNETES_SERVICE_HOST", value: "10.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("KUBERNETES_SERVICE_PORT", "443")
			if test.env != "" {
				t.Setenv(test.env, test.value)
			}
			d, err := New(test.options)
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) {
					t.Errorf("got error %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := len(d.Sources()); got != test.sources {
				t.Errorf("got %d sources, want %d", got, test.sources)
			}
		})
	}
}

// Who waits for a directory gets the names of what there is, and waits for no source
// that is down longer than he likes.
func TestReady(t *testing.T) {
	server, kubeconfig := newAPIServer(t)
	server.set("prod", "web-0", uid, map[string]string{"web": a})
	d, _ := running(t, kubeconfig)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	d.Ready(ctx)
	if diff := cmp.Diff(Workload{"prod", "web-0", "web"}, d.Of("/kubepods/pod"+uid+"/"+a)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	server, kubeconfig = newAPIServer(t)
	server.refusal = failure(http.StatusForbidden, metav1.StatusReasonForbidden, "no")
	down, _ := running(t, kubeconfig)
	short, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	down.Ready(short)
	if short.Err() == nil {
		t.Error("ready though the API server has told nothing")
	}
}
