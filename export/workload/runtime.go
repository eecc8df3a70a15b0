package workload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Where runtimes have their sockets, and podman its store. /var/run is /run, except
// in a container's mounts.
var (
	usualCRI = []string{
		"/run/containerd/containerd.sock", "/run/crio/crio.sock",
		"/run/k3s/containerd/containerd.sock", "/run/cri-dockerd.sock",
		"/var/run/containerd/containerd.sock", "/var/run/crio/crio.sock",
	}
	usualDocker = []string{"/run/docker.sock", "/var/run/docker.sock"}
	usualPodman = []string{"/var/lib/containers/storage/*-containers/containers.json"}
)

// answer is how long a runtime may take for one, and how much of it is read.
const (
	answerTime = 5 * time.Second
	answerSize = 16 << 20
)

// errOther is returned for a socket that is somebody else's: containerd as Docker
// brings it has no CRI.
var errOther = errors.New("no such service on this socket")

// runtime is a kind of container runtime, which a machine may have several of or
// none.
type runtime struct {
	*source
	places []string // patterns of filepath.Glob
	list   func(ctx context.Context, place string) ([]container, error)
	found  atomic.Bool
}

func newRuntime(name string, places, usual []string, list func(context.Context, string) ([]container, error), log *slog.Logger) *runtime {
	if places == nil {
		places = usual
	}
	return &runtime{source: newSource(name, log), places: places, list: list}
}

// exists tells whether the machine has one, or had.
func (r *runtime) exists() bool {
	return r.found.Load()
}

// poll lists the containers of all runtimes of the kind.
func (r *runtime) poll(ctx context.Context) []container {
	var all []container
	var errs []error
	answered := false
	for _, place := range r.present() {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		containers, err := r.list(ctx, place)
		cancel()
		if errors.Is(err, errOther) {
			continue
		}
		answered = true
		all = append(all, containers...)
		if err != nil {
			errs = append(errs, fmt.Errorf("list containers at %s: %w", place, err))
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	if !answered && r.exists() {
		errs = append(errs, fmt.Errorf("nothing at %s any longer", strings.Join(r.places, ", ")))
	}
	if answered || r.exists() {
		r.found.Store(true)
		r.report(errors.Join(errs...))
	}
	return all
}

// present are the places that there are, each once.
func (r *runtime) present() []string {
	var present []string
	for _, pattern := range r.places {
		places, _ := filepath.Glob(pattern)
		for _, place := range places {
			if real, err := filepath.EvalSymlinks(place); err == nil && !slices.Contains(present, real) {
				present = append(present, real)
			}
		}
	}
	return present
}

// named takes apart the names that the kubelet's containers have where names are
// the only place for what it is: k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT.
func named(id, name string) container {
	parts := strings.Split(name, "_")
	if len(parts) == 6 && parts[0] == "k8s" {
		return container{id, clean(parts[4]), Workload{Container: clean(parts[1]), Pod: clean(parts[2]), Namespace: clean(parts[3])}}
	}
	return container{id: id, workload: Workload{Container: clean(name)}}
}
