package workload

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	kube "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// hashAnnotation has, of a pod that the kubelet read from a file, the UID that its
// cgroup is named by: the API server gave it another one.
const hashAnnotation = "kubernetes.io/config.hash"

// Indices of pods.
const (
	byContainer = "container"
	byUID       = "uid"
)

// pods are those of this node, as the API server last told. Of no cluster, nil, no
// pod is known.
type pods struct {
	*source
	node     string
	server   string
	informer cache.SharedIndexInformer
}

// newPods returns nil where there is no cluster.
func newPods(options Options, log *slog.Logger) (*pods, error) {
	client, server, err := connect(options.Kubeconfig)
	if err != nil || client == nil {
		return nil, err
	}
	if options.Node == "" {
		return nil, fmt.Errorf("watch pods: name this node, or those of the whole cluster would be watched")
	}
	p := &pods{source: newSource("kubernetes", log), node: options.Node, server: server}
	list := cache.NewFilteredListWatchFromClient(client, "pods", metav1.NamespaceAll, func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", options.Node).String()
	})
	p.informer = cache.NewSharedIndexInformer(p.observe(list), &corev1.Pod{}, 0,
		cache.Indexers{byContainer: containerIDs, byUID: uids})
	if err := p.informer.SetTransform(strip); err != nil {
		return nil, err
	}
	// What fails has been reported by then.
	silent := func(context.Context, *cache.Reflector, error) {}
	return p, p.informer.SetWatchErrorHandlerWithContext(silent)
}

// observe reports how the API server answers.
func (p *pods) observe(lw *cache.ListWatch) *cache.ListWatch {
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (kube.Object, error) {
			list, err := lw.ListWithContext(ctx, o)
			p.answered(ctx, err)
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			w, err := lw.WatchWithContext(ctx, o)
			// An older server cannot begin a watch with a list, says so, and is asked for
			// a list next.
			if o.SendInitialEvents == nil || apierrors.ReasonForError(err) == metav1.StatusReasonUnknown {
				p.answered(ctx, err)
			}
			return w, err
		},
	}
}

func (p *pods) answered(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	// A request's address differs from one to the next, and takes lines.
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err
	}
	if err != nil {
		err = fmt.Errorf("watch pods of node %s at %s: %w", p.node, p.server, err)
	}
	p.report(err)
}

// run watches until the context ends, and tries again after whatever happens.
func (p *pods) run(ctx context.Context) {
	p.informer.RunWithContext(klog.NewContext(ctx, klog.New(nil)))
}

// strip leaves of a pod what tells whose a container is.
func strip(object any) (any, error) {
	pod, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	stripped := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID, ResourceVersion: pod.ResourceVersion,
	}}
	if hash := pod.Annotations[hashAnnotation]; hash != "" {
		stripped.Annotations = map[string]string{hashAnnotation: hash}
	}
	for _, statuses := range [][]corev1.ContainerStatus{
		pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses, pod.Status.EphemeralContainerStatuses,
	} {
		for _, s := range statuses {
			stripped.Status.ContainerStatuses = append(stripped.Status.ContainerStatuses,
				corev1.ContainerStatus{Name: s.Name, ContainerID: s.ContainerID})
		}
	}
	return stripped, nil
}

func containerIDs(object any) ([]string, error) {
	pod := object.(*corev1.Pod)
	var ids []string
	for _, s := range pod.Status.ContainerStatuses {
		ids = append(ids, containerID(s))
	}
	return ids, nil
}

// containerID is without what comes first: containerd://, cri-o:// and others.
func containerID(s corev1.ContainerStatus) string {
	return s.ContainerID[strings.LastIndexByte(s.ContainerID, '/')+1:]
}

func uids(object any) ([]string, error) {
	pod := object.(*corev1.Pod)
	ids := []string{string(pod.UID)}
	if hash := pod.Annotations[hashAnnotation]; hash != "" {
		ids = append(ids, hash)
	}
	return ids, nil
}

func (p *pods) container(id string) (Workload, bool) {
	pod := p.find(byContainer, id)
	if pod == nil {
		return Workload{}, false
	}
	w := workloadOf(pod)
	for _, s := range pod.Status.ContainerStatuses {
		if containerID(s) == id {
			w.Container = clean(s.Name)
		}
	}
	return w, true
}

func (p *pods) pod(uid string) (Workload, bool) {
	pod := p.find(byUID, uid)
	if pod == nil {
		return Workload{}, false
	}
	return workloadOf(pod), true
}

func (p *pods) find(index, key string) *corev1.Pod {
	if p == nil {
		return nil
	}
	found, _ := p.informer.GetIndexer().ByIndex(index, key)
	if len(found) == 0 {
		return nil
	}
	return found[0].(*corev1.Pod)
}

func workloadOf(pod *corev1.Pod) Workload {
	return Workload{Namespace: clean(pod.Namespace), Pod: clean(pod.Name)}
}
