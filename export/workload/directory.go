package workload

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
)

// Workload is who owns a cgroup.
//
// A cgroup of a pod that no source knows, or not yet, has the namespace and the pod
// Unknown. What has no pod has neither.
type Workload struct {
	Namespace string
	Pod       string
	// Container is the container's name, or where that is not known the first 12 digits
	// of its id; of what is in no container ID.Unit. It is POD for the one that only
	// holds a pod's namespaces, and empty for what is in a pod and in no container of
	// it, and for the root.
	Container string
}

// Unknown is the name of a pod, and of its namespace, that no source knows.
const Unknown = "unknown"

// Options are what a Directory asks. The zero value asks what is there.
type Options struct {
	// Node is this machine's name in Kubernetes: only its pods are watched. It must be
	// set where there is a cluster.
	Node string
	// Kubeconfig is the file that tells how to reach the API server. If it is empty those
	// count that $KUBECONFIG lists, then the cluster that leaktrace runs in, and
	// then none: a kubeconfig in somebody's home is left alone.
	Kubeconfig string
	// CRI and Docker are sockets, Podman the containers.json of its store, as patterns
	// of filepath.Glob. Nil is where they usually are.
	CRI, Docker, Podman []string
	// Log is told when a source fails and when it is back. Nil keeps silent.
	Log *slog.Logger
}

// SourceState is whether a source answers.
type SourceState struct {
	Name string // kubernetes, cri, docker or podman
	Up   bool
	Err  string // why it does not; unescaped
}

const (
	// kept is for how long what was known of a container is known after it is gone and
	// nobody asks for it.
	kept = 5 * time.Minute
	// most is how many containers are kept in mind, and how many pods.
	most = 8192
)

// Directory looks up workloads. Its methods are safe for concurrent use; all but
// Run answer at once from what is known.
type Directory struct {
	pods     *pods // nil without a cluster
	runtimes []*runtime
	known    *known
	absent   *absent
	polled   chan struct{} // closed when the runtimes have been asked once
}

// New makes a directory that knows nothing before it runs. It fails only if there is
// a configuration for Kubernetes that makes no sense: a source that is down is
// reported by Sources.
func New(options Options) (*Directory, error) {
	log := options.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	pods, err := newPods(options, log)
	if err != nil {
		return nil, err
	}
	return &Directory{
		pods: pods,
		runtimes: []*runtime{
			newRuntime("cri", options.CRI, usualCRI, listCRI, log),
			newRuntime("docker", options.Docker, usualDocker, listDocker, log),
			newRuntime("podman", options.Podman, usualPodman, listPodman, log),
		},
		known:  newKnown(),
		absent: newAbsent(),
		polled: make(chan struct{}),
	}, nil
}

// Of tells who owns a cgroup, by its path in any hierarchy. A container that is seen
// for the first time is looked up, and known a moment later.
func (d *Directory) Of(cgroup string) Workload {
	id := Parse(cgroup)
	if id.Container == "" {
		w := d.pod(id.PodUID)
		w.Container = id.Unit
		return w
	}
	// What LXC calls its containers is a name, and those of users have no runtime that
	// is root's.
	if id.Runtime != "lxc" && id.Unit == "" {
		if w, ok := d.container(id.Container); ok {
			return w
		}
		d.absent.ask(id.Container, time.Now())
	}
	w := d.pod(id.PodUID)
	w.Container = short(id)
	return w
}

// container is kept in mind as long as it is asked for.
func (d *Directory) container(id string) (Workload, bool) {
	w, ok := d.pods.container(id)
	if !ok {
		w, ok = d.known.container(id)
	}
	if ok {
		d.known.keepContainer(id, w)
	}
	return w, ok
}

func (d *Directory) pod(uid string) Workload {
	if uid == "" {
		return Workload{}
	}
	w, ok := d.pods.pod(uid)
	if !ok {
		w, ok = d.known.pod(uid)
	}
	if !ok {
		return Workload{Namespace: Unknown, Pod: Unknown}
	}
	d.known.keepPod(uid, w)
	return w
}

// short is the id as runtimes show it.
func short(id ID) string {
	if id.Runtime == "lxc" {
		return id.Container
	}
	return id.Container[:12]
}

// Run keeps the directory up to date until the context ends; then it returns nil. It
// is called once.
func (d *Directory) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	if d.pods != nil {
		work.Go(func() { d.pods.run(ctx) })
	}
	d.poll(ctx)
	close(d.polled)
	for pause(ctx, pollEvery) {
		select {
		case <-d.absent.asked:
			d.poll(ctx)
		case <-ctx.Done():
		}
	}
	return nil
}

// Ready waits until every source has told once what there is, or the context ends. A
// directory that is not ready answers too, with less.
func (d *Directory) Ready(ctx context.Context) {
	select {
	case <-d.polled:
	case <-ctx.Done():
	}
	if d.pods != nil {
		cache.WaitForCacheSync(ctx.Done(), d.pods.informer.HasSynced)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// poll asks every container runtime for its containers, once for all that somebody
// asked for since.
func (d *Directory) poll(ctx context.Context) {
	wanted := d.absent.all()
	for _, r := range d.runtimes {
		for _, c := range r.poll(ctx) {
			d.known.keep(c)
		}
	}
	for _, id := range wanted {
		_, found := d.known.container(id)
		d.absent.settle(id, found, time.Now())
	}
}

// Sources tells how the sources are that there are on this machine, in a fixed
// order.
func (d *Directory) Sources() []SourceState {
	var states []SourceState
	if d.pods != nil {
		states = append(states, d.pods.state())
	}
	for _, r := range d.runtimes {
		if r.exists() {
			states = append(states, r.state())
		}
	}
	return states
}
