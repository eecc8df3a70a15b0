package workload

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// listing compares what a runtime lists, or how its error begins.
func listing(t *testing.T, got []container, err error, want []container, wantErr string) {
	t.Helper()
	if (err == nil) != (wantErr == "") || err != nil && !strings.HasPrefix(err.Error(), wantErr) {
		t.Errorf("got error %v, want %q", err, wantErr)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(container{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDocker(t *testing.T) {
	kubelets := container{a, uid, Workload{"prod", "web-0", "web"}}
	for _, test := range []struct {
		name   string
		code   int
		answer string
		want   []container
		err    string
	}{
		{"containers", 200, `[{"Id":"` + a + `","Names":["/k8s_web_web-0_prod_` + uid + `_3"]},
			{"Id":"` + b + `","Names":["/other/alias","/db"],"State":"running"}]`,
			[]container{kubelets, {id: b, workload: Workload{Container: "db"}}}, ""},
		{"none", 200, `[]`, nil, ""},
		{"down", 503, `{"message":"starting"}`, nil, "GET /containers/json: 503 Service Unavailable"},
		{"not JSON", 200, `<html>`, nil, "read the answer to GET /containers/json: "},
		{"something else", 200, `{"Id":7}`, nil, "read the answer to GET /containers/json: "},
		{"endless", 200, `[` + strings.Repeat(" ", answerSize), nil, "read the answer to GET /containers/json: "},
		{"long name", 200, `[{"Id":"` + b + `","Names":["/` + strings.Repeat("n", 300) + `"]}]`,
			[]container{{id: b, workload: Workload{Container: strings.Repeat("n", 255)}}}, ""},
		{"no name", 200, `[{"Id":"` + b + `"}]`, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			socket := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/containers/json" || r.Method != http.MethodGet {
					t.Errorf("asked %s %s", r.Method, r.URL)
				}
				w.WriteHeader(test.code)
				fmt.Fprint(w, test.answer) //nolint:errcheck // who reads has had enough
			})
			got, err := listDocker(t.Context(), socket)
			listing(t, got, err, test.want, test.err)
		})
	}
	_, err := listDocker(t.Context(), filepath.Join(t.TempDir(), "none"))
	if err == nil {
		t.Error("a socket that is not there lists containers")
	}
}

// serve is an HTTP server on a Unix socket.
func serve(t *testing.T, handler http.HandlerFunc) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return socket
}

func TestPodman(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []container
		err        string
	}{
		{"podman", `[{"id":"` + a + `","names":["web","alias"],"image":"","layer":"x","metadata":"{}"}]`,
			[]container{{id: a, workload: Workload{Container: "web"}}}, ""},
		{"cri-o", `[{"id":"` + a + `","names":["k8s_POD_web-0_prod_` + uid + `_0"]}]`,
			[]container{{a, uid, Workload{"prod", "web-0", "POD"}}}, ""},
		{"no name", `[{"id":"` + a + `"}]`, nil, ""},
		{"none", `[]`, nil, ""},
		{"half written", `[{"id":"`, nil, "read as JSON: "},
		{"endless", `[` + strings.Repeat(" ", answerSize), nil, "read as JSON: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "containers.json")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := listPodman(t.Context(), path)
			listing(t, got, err, test.want, test.err)
		})
	}
}

// criServer is a runtime that has the containers, or gives the error.
type criServer struct {
	cri.UnimplementedRuntimeServiceServer
	err error
}

func (s *criServer) ListContainers(_ context.Context, r *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	if r.Filter.State.State != cri.ContainerState_CONTAINER_RUNNING {
		return nil, status.Error(codes.InvalidArgument, "not only those that run")
	}
	return &cri.ListContainersResponse{Containers: []*cri.Container{
		{Id: a, Labels: map[string]string{containerLabel: "web", podLabel: "web-0", namespaceLabel: "prod", uidLabel: uid}},
		{Id: strings.Repeat("5", 64)},
	}}, s.err
}

func (s *criServer) ListPodSandbox(_ context.Context, r *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	if r.Filter.State.State != cri.PodSandboxState_SANDBOX_READY {
		return nil, status.Error(codes.InvalidArgument, "not only those that are ready")
	}
	return &cri.ListPodSandboxResponse{Items: []*cri.PodSandbox{
		{Id: b, Labels: map[string]string{podLabel: "web-0", namespaceLabel: "prod", uidLabel: uid}},
	}}, nil
}

func TestCRI(t *testing.T) {
	for _, test := range []struct {
		name   string
		server cri.RuntimeServiceServer
		want   []container
		err    string
	}{
		{"containers", &criServer{}, []container{
			{b, uid, Workload{"prod", "web-0", "POD"}},
			{a, uid, Workload{"prod", "web-0", "web"}},
			{id: strings.Repeat("5", 64)},
		}, ""},
		{"failing", &criServer{err: status.Error(codes.Unavailable, "starting")}, nil, "rpc error: code = Unavailable desc = starting"},
		{"no CRI", nil, nil, errOther.Error()},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := grpc.NewServer()
			if test.server != nil {
				cri.RegisterRuntimeServiceServer(server, test.server)
			}
			socket := filepath.Join(t.TempDir(), "socket")
			listener, err := net.Listen("unix", socket)
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = server.Serve(listener) }()
			t.Cleanup(server.Stop)
			got, err := listCRI(t.Context(), socket)
			listing(t, got, err, test.want, test.err)
		})
	}
}

// A runtime that does not answer keeps nobody waiting but the one who asks it.
func TestRuntimeHangs(t *testing.T) {
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for name, list := range map[string]func(context.Context, string) ([]container, error){"cri": listCRI, "docker": listDocker} {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := list(ctx, listener.Addr().String())
			ended <- err
		}()
		connection, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-ended; err == nil {
			t.Errorf("%s: no error from a runtime that does not answer", name)
		}
		_ = connection.Close()
	}
}
