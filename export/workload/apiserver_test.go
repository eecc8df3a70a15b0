package workload

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// apiServer speaks what an informer of pods needs: a list, a watch and, unless it is
// old, a watch that begins with the list.
type apiServer struct {
	t   *testing.T
	old bool
	url string

	mu      sync.Mutex
	version int
	pods    map[string]*corev1.Pod
	watches map[chan event]bool
	refusal *metav1.Status // instead of any answer
	queries []string       // field selectors
}

type event struct {
	Type   string `json:"type"`
	Object any    `json:"object"`
}

// newAPIServer serves, and returns the kubeconfig that leads to it.
func newAPIServer(t *testing.T) (*apiServer, string) {
	s := &apiServer{t: t, pods: make(map[string]*corev1.Pod), watches: make(map[chan event]bool)}
	server := httptest.NewServer(s)
	s.url = server.URL
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return s, kubeconfig(t, server.URL)
}

func kubeconfig(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"clusters":[{"name":"c","cluster":{"server":%q}}],
		"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`, url)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	s.mu.Lock()
	s.queries = append(s.queries, query.Get("fieldSelector"))
	refusal := s.refusal
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case refusal != nil:
		answer(w, refusal)
	case r.URL.Path != "/api/v1/pods":
		answer(w, failure(http.StatusNotFound, metav1.StatusReasonNotFound, r.URL.Path))
	case query.Get("sendInitialEvents") != "" && s.old:
		answer(w, failure(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "sendInitialEvents"))
	case query.Get("watch") != "":
		s.watch(w, r, query.Get("sendInitialEvents") != "")
	default:
		_ = json.NewEncoder(w).Encode(s.list())
	}
}

func answer(w http.ResponseWriter, status *metav1.Status) {
	w.WriteHeader(int(status.Code))
	_ = json.NewEncoder(w).Encode(status)
}

func failure(code int32, reason metav1.StatusReason, message string) *metav1.Status {
	return &metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: "Failure", Code: code, Reason: reason, Message: message}
}

func (s *apiServer) list() *corev1.PodList {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := &corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"},
		ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(s.version)}}
	for _, pod := range s.pods {
		list.Items = append(list.Items, *pod)
	}
	return list
}

func (s *apiServer) watch(w http.ResponseWriter, r *http.Request, initial bool) {
	events := make(chan event, 100)
	s.mu.Lock()
	s.watches[events] = true
	if initial {
		for _, pod := range s.pods {
			events <- event{"ADDED", pod}
		}
		events <- event{"BOOKMARK", &corev1.Pod{TypeMeta: podType, ObjectMeta: metav1.ObjectMeta{
			ResourceVersion: fmt.Sprint(s.version),
			Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}}
	}
	s.mu.Unlock()
	for {
		_ = http.NewResponseController(w).Flush()
		select {
		case e := <-events:
			_ = json.NewEncoder(w).Encode(e)
		case <-r.Context().Done():
			return
		}
	}
}

var podType = metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}

// set makes or changes a pod, with containers by name.
func (s *apiServer) set(namespace, name, uid string, containers map[string]string) *corev1.Pod {
	pod := &corev1.Pod{TypeMeta: podType, ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)}}
	for name, id := range containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, ContainerID: "containerd://" + id})
	}
	s.put(pod)
	return pod
}

func (s *apiServer) put(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := "MODIFIED"
	if s.pods[pod.Name] == nil {
		kind = "ADDED"
	}
	s.pods[pod.Name] = pod
	s.tell(kind, pod)
}

func (s *apiServer) remove(pod *corev1.Pod) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pods, pod.Name)
	s.tell("DELETED", pod)
}

func (s *apiServer) tell(kind string, pod *corev1.Pod) {
	s.version++
	pod.ResourceVersion = fmt.Sprint(s.version)
	for events := range s.watches {
		events <- event{kind, pod.DeepCopy()}
	}
}

func (s *apiServer) refuse(status *metav1.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = status
}
