package workload

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Labels that the kubelet gives what it makes.
const (
	containerLabel = "io.kubernetes.container.name"
	podLabel       = "io.kubernetes.pod.name"
	namespaceLabel = "io.kubernetes.pod.namespace"
	uidLabel       = "io.kubernetes.pod.uid"
)

// listCRI lists running containers, and the sandboxes of pods, by the CRI socket at
// the path.
func listCRI(ctx context.Context, socket string) ([]container, error) {
	connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerSize)))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	client := cri.NewRuntimeServiceClient(connection)
	containers, err := client.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{
		State: &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}}})
	if status.Code(err) == codes.Unimplemented {
		return nil, errOther
	}
	if err != nil {
		return nil, err
	}
	sandboxes, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{
		State: &cri.PodSandboxStateValue{State: cri.PodSandboxState_SANDBOX_READY}}})
	if err != nil {
		return nil, err
	}
	var all []container
	for _, s := range sandboxes.Items {
		all = append(all, labelled(s.Id, s.Labels, "POD"))
	}
	for _, c := range containers.Containers {
		all = append(all, labelled(c.Id, c.Labels, c.Labels[containerLabel]))
	}
	return all, nil
}

func labelled(id string, labels map[string]string, name string) container {
	return container{id, clean(labels[uidLabel]), Workload{
		Namespace: clean(labels[namespaceLabel]),
		Pod:       clean(labels[podLabel]),
		Container: clean(name),
	}}
}
